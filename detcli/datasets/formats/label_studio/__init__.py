"""Annotations of people in exports of Label Studio."""
