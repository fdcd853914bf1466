"""Exported models: ONNX files and OpenVINO files with everything that is needed to use them."""
