"""What passes from room to room: plain frozen records that know nobody."""
