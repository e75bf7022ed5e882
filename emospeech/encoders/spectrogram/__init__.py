"""Speech without pre-trained weights: a log-mel spectrogram, a convolutional net, one vector a frame."""

from emospeech.encoders.spectrogram.cnn import LogMelCNN
from emospeech.encoders.spectrogram.resnet import LogMelResNet34
from emospeech.encoders.spectrogram.tdnn import LogMelTDNN
from emospeech.encoders.spectrogram.vgg import LogMelVGG

SPECTROGRAM_ENCODERS = {
    "log_mel_cnn": LogMelCNN,
    "log_mel_vgg": LogMelVGG,
    "log_mel_resnet34": LogMelResNet34,
    "log_mel_tdnn": LogMelTDNN,
}
