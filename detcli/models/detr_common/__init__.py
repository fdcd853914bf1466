"""What several families share: configuration, preprocessing, recipe, and names of original repositories."""
