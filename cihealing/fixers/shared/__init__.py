"""What fixers share: the files of a tree, the modules in them, and where an import belongs. Nothing
here runs repository code.
"""
