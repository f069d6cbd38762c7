"""What the browser shows. `script` is run by Streamlit for every page; each other module is one page, or a part of pages.

```
words     times, sizes and states in words       session   the studio, the person, and the pages, for this browser
look      pictures, badges, empty states         fields    one widget for each parameter
home      what there is                          bench     an application: its form, and a run beside it
running   a run while it goes on                 result    a run that ended
gallery   search, bin                            contrast  two runs side by side
sheet     the contact sheet of a sweep           line      who is next, and what is stored
broken    a plugin that cannot be used           signin    the way in
```
"""
