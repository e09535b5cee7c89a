"""From a trained Keras or ONNX model and samples to a full-integer ``.tflite``, and what that costs.

TensorFlow, ONNX Runtime and OpenCV are imported inside functions only.
"""
