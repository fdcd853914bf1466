"""Image ids of COCO files: the place in the input, or those of annotations that results are to be evaluated against."""

from collections.abc import Mapping

from detcli.structures.frame import Origin


class CocoImageIds:
    """The image ids of a run: index + 1, or those of the annotations given with `--gt`, each for one image only."""

    def __init__(self, given: Mapping[str, int] | None) -> None:
        self._given = given
        self._free = 1 if given is None else max(given.values(), default=0) + 1
        self._taken: set[int] = set()
        self._unknown = 0
        self._first_unknown = ""

    def known(self, origin: Origin) -> int | None:
        """The id of an image, or None where the annotations do not know it."""
        if self._given is None:
            return origin.index + 1
        image_id = self._given.get(origin.relative)
        if image_id is None or image_id in self._taken:  # two images share the name of one
            self._unknown += 1
            self._first_unknown = self._first_unknown or origin.relative
            return None
        self._taken.add(image_id)
        return image_id

    def new(self, origin: Origin) -> int:
        """An id that no annotation has, the same in a resumed run."""
        return self._free + origin.index

    def remarks(self, what_became_of_them: str) -> tuple[str, ...]:
        """What the user should hear of images that the annotations do not know."""
        if not self._unknown:
            return ()
        images = "1 image is" if self._unknown == 1 else f"{self._unknown} images are"
        first = f"'{self._first_unknown}'"
        return (f"{images} not in the annotations of --gt, {first} the first; {what_became_of_them}",)
