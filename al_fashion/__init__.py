"""From a folder of fashion photos to a multi-label classifier of proven accuracy."""

__version__ = "0.1.0"
