"""Deep spectrum: pictures of spectrograms through VGG-16, pre-trained on photographs or from scratch."""

from emospeech.encoders.deepspectrum.encoder import DeepSpectrum

IMAGE_ENCODERS = {"deep_spectrum": DeepSpectrum}
