"""The command line. A file here is a command of that name; what several of them use is in
`shared`.
"""
