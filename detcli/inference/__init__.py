"""Images -> detections: preprocessing, network, postprocessing."""
