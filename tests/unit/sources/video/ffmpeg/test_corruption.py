"""Missing frames are found by packets without frames."""

from collections.abc import Iterable
from fractions import Fraction

from detcli.sources.video.ffmpeg.corruption import CorruptionDetector, FrameLoss

STEP = Fraction(10)


def pass_all(
    damage: CorruptionDetector, packets: Iterable[int], frames: Iterable[int], *, keys: Iterable[int] = ()
) -> list[FrameLoss]:
    """Send the packets, then let the frames come; gives what is missing before any of them."""
    for pts in packets:
        damage.packet_sent(pts)
    found = [damage.frame_decoded(pts, key=pts in set(keys), corrupt=False) for pts in frames]
    return [loss for loss in found if loss is not None]


def test_a_complete_stream_has_no_missing_frames() -> None:
    damage = CorruptionDetector("h264", STEP)
    assert pass_all(damage, [0, 30, 10, 20, 40], [0, 10, 20, 30, 40]) == []
    assert damage.end() is None


def test_packets_without_frames_are_counted_after_an_error() -> None:
    damage = CorruptionDetector("h264", None)
    for pts in (0, 10, 20, 30, 40):
        damage.packet_sent(pts)
    damage.damage_found()
    assert pass_all(damage, [], [0, 10, 40]) == [FrameLoss(2, 10, 40)]


def test_packets_without_frames_alone_are_no_damage() -> None:
    assert pass_all(CorruptionDetector("h264", STEP), range(0, 60, 5), range(0, 60, 10)) == []  # two fields, one frame


def test_a_packet_without_a_frame_is_damage_in_some_codecs() -> None:
    assert pass_all(CorruptionDetector("hevc", STEP), range(0, 60, 10), [0, 10, 40, 50]) == [FrameLoss(2, 10, 40)]


def test_missing_packets_are_counted_by_time() -> None:
    damage = CorruptionDetector("vp9", STEP)
    assert pass_all(damage, [0, 10], [0, 10]) == []
    damage.bytes_skipped(60)
    assert pass_all(damage, [60, 70], [60, 70]) == [FrameLoss(4, 10, 60)]


def test_skipped_bytes_are_no_damage_if_no_frame_is_missing() -> None:
    damage = CorruptionDetector("h264", STEP)
    damage.bytes_skipped(20)
    assert pass_all(damage, range(0, 50, 10), range(0, 50, 10), keys=[0, 40]) == []
    assert damage.end() is None


def test_a_pause_is_no_damage() -> None:
    assert pass_all(CorruptionDetector("h264", STEP), [0, 10, 500], [0, 10, 500]) == []


def test_frames_before_the_first_one_are_not_missing() -> None:
    damage = CorruptionDetector("hevc", STEP)
    damage.damage_found()
    assert pass_all(damage, [0, 10, 20], [20]) == []


def test_damage_without_missing_frames_is_reported_once() -> None:
    damage = CorruptionDetector("h264", STEP)
    for pts in range(0, 60, 10):
        damage.packet_sent(pts)
    losses = [damage.frame_decoded(pts, key=pts == 40, corrupt=pts in (10, 20)) for pts in range(0, 60, 10)]
    assert losses == [None, None, None, None, FrameLoss(None, 10, 40), None]


def test_missing_frames_at_the_end_are_counted() -> None:
    damage = CorruptionDetector("hevc", STEP)
    pass_all(damage, range(0, 50, 10), [0, 10, 20])
    assert damage.end() == FrameLoss(2, 20, 20)


def test_a_reset_forgets_expected_frames() -> None:
    damage = CorruptionDetector("hevc", STEP)
    pass_all(damage, range(0, 50, 10), [0, 10])
    damage.reset()
    assert pass_all(damage, [100, 110], [100, 110]) == []
    assert damage.end() is None


def test_after_damage_packets_without_frames_always_count() -> None:
    damage = CorruptionDetector("h264", None)
    pass_all(damage, [0, 10, 20], [0, 10])
    damage.damage_found()
    assert pass_all(damage, [30, 40, 50], [20, 30], keys=[30]) == [FrameLoss(None, 10, 30)]
    assert pass_all(damage, [60, 70], [40, 70], keys=[40]) == [FrameLoss(2, 40, 70)]


def test_a_frame_is_expected_while_the_decoder_has_its_packet() -> None:
    damage = CorruptionDetector("h264", STEP)
    pass_all(damage, [0, 30, 10, 20], [0])
    assert damage.expects_frame_before(30)
    assert not damage.expects_frame_before(10)


def test_irregular_packets_make_no_frame_expected() -> None:
    damage = CorruptionDetector("h264", STEP)
    pass_all(damage, range(0, 60, 5), [0, 10])
    assert not damage.expects_frame_before(40)
