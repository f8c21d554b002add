"""The encryption validator: facts are gathered, judged by controls that are data, and reported.

`sources` read (one module a source), `checks` judge (pure functions over `facts`),
`validation` puts both together and `report` is what comes of it.  No secret value is
read anywhere: the validator needs no right to.
"""
