"""The studio: a browser front end for every application that scorekit's plugins bring.

Importing this package is cheap. Its parts, each standing on the ones before it:

```
store       the folder and the data base of a studio          job         one row of it
estimate    what a job will need                              line        who is next, and when
queue       jobs: submit, claim, pause, cancel, finish        history     search, bin, compare
live        progress of a run, read while it runs             archive     zip files
people      who somebody is, and what they may do             uploads     files that they bring
bodies      requests that are too large
worker      the process that computes on one device           supervisor  keeps the workers alive
desk        all of it for one person, with every right checked: what pages use
```
"""
