"""Image ids in COCO files: by the index in the input, or those of the ground truth."""

from collections.abc import Mapping

from detcli.structures.frame import Origin


class CocoImageIds:
    """The image ids of a run: index + 1, or those of the ground truth, each for one image only.

    are_positions  images were given ids by their position; False for frames of videos, whose ids are frame numbers
    """

    def __init__(self, ground_truth_ids: Mapping[str, int] | None) -> None:
        self._ground_truth_ids = ground_truth_ids
        self._first_free = 1 if ground_truth_ids is None else max(ground_truth_ids.values(), default=0) + 1
        self._taken: set[int] = set()
        self._unknown = 0
        self._first_unknown = ""
        self.are_positions = False

    def known(self, origin: Origin) -> int | None:
        """The id of an image, or None if the ground truth does not have it."""
        if self._ground_truth_ids is None:
            self.are_positions = self.are_positions or origin.frame is None
            return origin.index + 1
        image_id = self._ground_truth_ids.get(origin.relative)
        if image_id is None or image_id in self._taken:  # two images match the same name
            self._unknown += 1
            self._first_unknown = self._first_unknown or origin.relative
            return None
        self._taken.add(image_id)
        return image_id

    def new(self, origin: Origin) -> int:
        """An id that the ground truth does not use; the same in a resumed run."""
        return self._first_free + origin.index

    def remarks(self, consequence: str) -> tuple[str, ...]:
        """A sentence about the images that the ground truth does not have."""
        if not self._unknown:
            return ()
        images = "1 image is" if self._unknown == 1 else f"{self._unknown} images are"
        first = f"'{self._first_unknown}'"
        return (f"{images} not in the annotations of `ground_truth`, {first} is the first; {consequence}",)
