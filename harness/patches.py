# SPDX-License-Identifier: GPL-2.0
"""The file `series`, and git without anybody's configuration.

A line of `series` is the path of a patch, then the new files that its commit
introduces.  The patch holds the message and the edits to existing files; the
new files lie at their kernel paths in this repository, in the state that they
have at the end of the series.
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SERIES = os.path.join(TOP, "series")
TREE = os.path.join(TOP, "build", "linux")
# In build/linux: the commit that the files of this repository amount to.
REF = "refs/usermap/series"

for name in [n for n in os.environ if n.startswith("GIT_")]:
    del os.environ[name]
os.environ.update(GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null",
                  GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory",
                  GIT_CONFIG_VALUE_0="*", LC_ALL="C.UTF-8")


def die(what, then):
    script = os.path.basename(sys.argv[0])
    sys.exit(f"{script}: {what}\n  -> {then}")


class GitError(Exception):
    pass


def git(directory, *args, stdin=None, **env):
    """Run git in a directory, return its output; raise what it complained."""
    done = subprocess.run(["git", "-C", directory, *args], input=stdin,
                          capture_output=True, env={**os.environ, **env})
    if done.returncode:
        raise GitError(done.stderr.decode(errors="replace").strip())
    return done.stdout


def lines(directory, *args, **kwargs):
    return git(directory, *args, **kwargs).decode().splitlines()


class Entry:
    """A patch of the series, the new files it brings, the comment above it."""

    def __init__(self, path, new=(), section=0):
        self.path = path
        self.new = list(new)
        self.section = section

    @property
    def slug(self):
        return os.path.basename(self.path).removesuffix(".patch")

    def __str__(self):
        return " ".join([self.path, *self.new])


def read_series():
    """Return the entries and the comment blocks.

    A section is a run of comments and blank lines with the entries under it;
    comments[n] is the text of section n, with one more for what follows the
    last entry.
    """
    entries, comments = [], [""]
    if not os.path.exists(SERIES):
        return entries, comments + [""]
    in_comment = True
    with open(SERIES) as series:
        for line in series:
            words = line.split()
            if not words or words[0].startswith("#"):
                if not in_comment:
                    comments.append("")
                comments[-1] += line
                in_comment = True
            else:
                entries.append(Entry(words[0], words[1:], len(comments) - 1))
                in_comment = False
    if not in_comment:
        comments.append("")
    return entries, comments


def slug(subject):
    """A file name from a subject."""
    text = re.sub(r"[^a-z0-9._]+", "-", subject.lower())
    return re.sub(r"\.+", ".", text)[:60].strip("-.")
