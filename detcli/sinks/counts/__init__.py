"""Tables of counts and of events, from frames with counts."""
