"""Emotion vocabularies. The order of a vocabulary is the order of the columns of every logit and probability."""

# EmoSPeech 2024 (Pan et al., IberLEF 2024), in the order of the published winner's class indices.
EMOSPEECH2024 = ("neutral", "disgust", "anger", "sadness", "joy", "fear")
