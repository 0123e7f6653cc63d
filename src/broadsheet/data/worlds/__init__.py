"""Generated worlds whose truth is known, for measurements that real data cannot give."""
