"""The board of a class in the cluster: a Deployment of the teacher's namespace, which goes on when
their computer is closed, and is reached by their own port-forward."""
