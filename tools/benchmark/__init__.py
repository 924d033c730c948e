"""The same work on several data paths, side by side. docs/bench.md says what and how."""
