"""One index on many machines: a lake of vectors, shards built in parallel, shards that answer.

Nothing of the reading application imports this package: it is the step after one machine. Ray,
pyarrow and Lance come with the extra `scale`; how rows are split, what a shard can hold, and how
answers are merged needs none of them.
"""
