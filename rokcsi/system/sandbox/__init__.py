"""How a pod's command comes to see its volumes and nothing it writes elsewhere stays.

`launch` is what the rest of the package calls: it starts `trampoline`, a program of its own
(standard library only, ten milliseconds), and hands it a `plan`. The trampoline makes the
namespaces (`namespaces`), builds the pod's root (`root`) and runs the command in it.
"""
