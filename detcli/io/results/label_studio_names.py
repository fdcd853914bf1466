"""The names in tasks of Label Studio that the writer and the reader share, with those that read annotations."""

from urllib.parse import unquote

BOX_TYPE, POLYGON_TYPE = "rectanglelabels", "polygonlabels"
FROM_NAME, TO_NAME = "label", "image"  # names of the tags in the labeling configuration of Label Studio's templates
LOCAL_FILES = "/data/local-files/?d="  # an image below LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT


def local_file(image: str) -> str:
    """The path of an image that Label Studio serves from a folder; other names, such as addresses, stay as they are."""
    if image.startswith(LOCAL_FILES):
        return unquote(image.removeprefix(LOCAL_FILES), errors="surrogateescape")
    return image
