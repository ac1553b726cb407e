"""A class graded by the cluster itself: an Indexed Job whose pods grade a part each, once or on a
schedule.

The order goes in as a ConfigMap; each part keeps its grades in a ConfigMap of its own, made for it
beforehand, while it works: a pod that is lost loses nothing, and the teacher's command merges them
into the folder of any other run.
"""
