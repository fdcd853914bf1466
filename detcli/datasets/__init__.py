"""Images with truths: what networks learn from and are judged against. They know no network."""
