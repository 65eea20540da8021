"""The authority's workers."""
