"""The defaults of a sink, and the remarks of several."""

from detcli.sinks.sink import BaseSink, remarks


def test_a_base_sink_buffers_nothing_and_has_no_remarks() -> None:
    sink = BaseSink()
    sink.flush()
    sink.close(complete=False)
    sink.abort()
    assert sink.remarks == ()


def test_remarks_of_several_sinks_keep_their_order() -> None:
    class WithRemarks(BaseSink):
        ordered, needs_pixels = True, False
        remarks = ("a", "b")  # type: ignore[assignment]

        def write(self, frame: object, detections: object) -> None: ...

    class Without(BaseSink):
        ordered, needs_pixels = True, False

        def write(self, frame: object, detections: object) -> None: ...

    assert remarks([Without(), WithRemarks(), Without()]) == ("a", "b")
    assert remarks([WithRemarks(), WithRemarks()]) == ("a", "b"), "once, for all outputs"
