"""Results match their images and categories, or an error says why not: never a silent zero."""

from collections.abc import Sequence

import pytest

from detcli.errors import DataError, InputError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth
from detcli.evaluation.results.result_matching import MatchedResults, match_results
from detcli.io.results import StoredBox, StoredImage

FILES = {5: "sub/a.jpg", 6: "b.jpg", 9: "other/a.jpg"}


def ground_truth(categories: dict[int, str] | None = None) -> CocoGroundTruth:
    return CocoGroundTruth(
        "gt.json",
        {
            "images": [{"id": i, "file_name": name} for i, name in FILES.items()],
            "annotations": [],
            "categories": [{"id": i, "name": n} for i, n in (categories or {17: "Cat", 18: "dog", 90: "cow"}).items()],
        },
    )


def box(label: str | None = "cat", category_id: int | None = None, score: float = 0.01) -> StoredBox:
    return StoredBox(label, category_id, score, (1.0, 2.0, 3.0, 4.0))


def image(file: str | None, *boxes: StoredBox, image_id: int | None = None, complete: bool = True) -> StoredImage:
    return StoredImage("line 1", file, image_id, None, boxes, complete=complete)


def failed(file: str) -> StoredImage:
    return StoredImage("line 2", file, None, None, None, "truncated")


def matched(*images: StoredImage, categories: dict[int, str] | None = None) -> MatchedResults:
    return match_results(images, ground_truth(categories), "r.jsonl")


def ids(result: MatchedResults) -> list[tuple[int, int]]:
    return [(r["image_id"], r["category_id"]) for r in result.results]


@pytest.mark.parametrize(
    ("file", "image_id"),
    [("sub/a.jpg", 5), ("/home/me/in/sub/a.jpg", 5), ("in\\other\\a.jpg", 9), ("elsewhere/b.jpg", 6), ("./b.jpg", 6)],
)
def test_a_name_matches_by_relative_path_then_by_base_name(file: str, image_id: int) -> None:
    assert ids(matched(image(file, box()))) == [(image_id, 17)]


def test_a_last_part_that_two_images_have_needs_the_id_to_agree() -> None:
    assert ids(matched(image("x/a.jpg", box(), image_id=9))) == [(9, 17)]
    with pytest.raises(DataError, match="none of the 1 images"):
        matched(image("x/a.jpg", box()))


def test_an_id_whose_name_disagrees_is_never_believed() -> None:
    assert ids(matched(image("b.jpg", box(), image_id=5))) == [(6, 17)]


def test_labels_match_categories_by_name_not_by_id() -> None:
    assert ids(matched(image("b.jpg", box(" CAT ", 18), box("dog", 1)))) == [(6, 17), (6, 18)]


def test_boxes_without_labels_match_categories_by_id() -> None:
    assert ids(matched(image(None, box(None, 90), image_id=9))) == [(9, 90)]


def test_wrong_image_ids_are_an_error_that_names_the_first_ten() -> None:
    wrong = [image(None, box(None, 17), image_id=i) for i in range(100, 115)]
    with pytest.raises(DataError) as caught:
        matched(*wrong)
    assert "15 image ids in 'r.jsonl' cannot be found in 'gt.json'" in str(caught.value)
    assert "'100', '101'" in str(caught.value)
    assert "'109' and 5 more" in str(caught.value)


def test_a_repeated_image_is_an_error_except_in_row_formats() -> None:
    with pytest.raises(DataError, match=r"more than once: 'in/b\.jpg'"):
        matched(image("b.jpg", box()), image("in/b.jpg", box()))
    rows = matched(image("b.jpg", box(score=0.02), complete=False), image("b.jpg", box(), complete=False))
    assert len(rows.results) == 2


def test_no_known_category_is_an_error_that_names_both_sides() -> None:
    with pytest.raises(DataError, match=r"none of the categories .*'horse'; it has '17 Cat', '18 dog', '90 cow'"):
        matched(image("b.jpg", box("horse")))


def test_some_unknown_categories_are_left_out_and_named() -> None:
    result = matched(*all_images(box("cat"), box("horse"), box("horse")))
    assert len(result.results) == 3
    assert any("6 detections" in note and "'horse'" in note for note in result.notes)


def all_images(*boxes: StoredBox) -> Sequence[StoredImage]:
    return [image(file, *boxes) for file in FILES.values()]


@pytest.mark.parametrize("first", [0, 1])
def test_class_indices_instead_of_category_ids_are_an_error(first: int) -> None:
    categories = {1: "person", 2: "bicycle", 13: "stop sign"}  # with holes, as COCO's own
    found = [box(None, first + index) for index in range(3)]
    with pytest.raises(DataError, match=f"look like class indices from {first}"):
        matched(image(None, *found, image_id=5), categories=categories)


def test_no_detections_and_no_image_names_are_an_error() -> None:
    with pytest.raises(InputError, match="has no detections"):
        matched()
    with pytest.raises(InputError, match="has no detections"):
        matched(failed("b.jpg"))


def test_images_without_detections_are_evaluated_with_a_note() -> None:
    result = matched(*all_images())
    assert result.results == []
    assert any("no detections in any image" in note for note in result.notes)


def test_unknown_failed_and_missing_images_are_counted() -> None:
    result = matched(image("b.jpg", box()), image("new.jpg", box()), failed("sub/a.jpg"))
    assert (result.images, result.failed, ids(result)) == (2, 1, [(6, 17)])
    text = "\n".join(result.notes)
    assert "1 image is not in the annotations and left out: 'new.jpg'" in text
    assert "1 image is in the results as failed" in text
    assert "1 of the 3 images of the annotations have no results" in text


def test_results_cut_off_at_a_threshold_give_a_note() -> None:
    assert any("lowest score is 0.4" in note for note in matched(*all_images(box(score=0.4))).notes)
    assert matched(*all_images(box(score=0.01))).notes == ()


@pytest.mark.parametrize(("score", "shown"), [(97.0, "from 97 to 97"), (-0.5, "from -0.5 to -0.5")])
def test_scores_that_are_no_probabilities_give_a_note(score: float, shown: str) -> None:
    (note,) = matched(*all_images(box(score=score))).notes
    assert f"scores are {shown}, not from 0 to 1: AP is valid" in note


def test_repeated_detections_give_a_note() -> None:
    notes = matched(*all_images(box(), box())).notes
    assert notes == ("3 detections are repeated: each counts as a false positive",)


def test_an_image_of_another_size_gives_a_note() -> None:
    sized = ground_truth()
    for image in sized.annotations["images"]:
        image |= {"height": 40, "width": 60}
    images = [
        StoredImage("line 1", f, None, s, (box(),))
        for f, s in zip(FILES.values(), [(40, 60), (60, 40), None], strict=True)
    ]
    (note,) = match_results(images, sized, "r.jsonl").notes
    assert note.startswith("1 image is of another size than in the annotations, so boxes do not match: 'b.jpg'")


def test_results_of_a_video_are_refused() -> None:
    of_video = StoredImage("line 1", "a.mp4", None, None, (box(),), frame=3)
    with pytest.raises(DataError, match="results of a video"):
        matched(of_video)
