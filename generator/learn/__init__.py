"""From labelled pictures to a trained, quantized and measured network.

TensorFlow and OpenCV are imported inside functions only.
"""
