"""The names in tasks of Label Studio that the writer and the reader share."""

BOX_TYPE = "rectanglelabels"
FROM_NAME, TO_NAME = "label", "image"  # names of the tags in the labeling configuration of Label Studio's templates
LOCAL_FILES = "/data/local-files/?d="  # an image below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT
