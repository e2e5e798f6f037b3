//! Rebuilds TCP connect attempts from the segments of one or several capture points.
