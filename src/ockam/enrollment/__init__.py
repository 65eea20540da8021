"""The Enrollment Service: how a device that knows nobody becomes a member, in three parties.

A service makes bundles of prekeys, an enroller carries one to the device and the device's key back, and the device
sends one encrypted message. Everything in this folder is pure: time and randomness are arguments, questions to the
database are `repository.EnrollmentRepository`. What runs it is in `workers/`.

Layers, lowest first: `xeddsa`, `prekey_bundle`, `x3dh`, `session`; then the wire (`enrollment_bundle`, `messages`,
`api_messages`, `link`); the rules (`attributes`, `pending`, `clock`); the three parties (`service` with `handling` and
`api`, `enroller`, `enrollee`).
"""
