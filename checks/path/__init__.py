"""The path between two ends, hop by hop: each is proven by an experiment, or said to be read; the
first that is broken is named, with its cause.

What is wrong with a pod, a name, a policy or a tunnel is told by the functions of the labs
(`checks.diagnosis`).
"""
