"""How the studio looks: colours and type as options of Streamlit, and a style sheet for what those do not reach.

Type is what Streamlit brings (Source Sans, Source Serif, Source Code): nothing is fetched. Colours of text meet 4.5 to 1.
"""

from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SHARED: dict[str, Any] = {
    "font": "sans-serif",
    "headingFont": "serif",
    "headingFontWeights": [600, 600, 600, 600, 600, 600],
    "headingFontSizes": ["2.1rem", "1.45rem", "1.15rem", "1rem", "0.9rem", "0.85rem"],
    "metricValueFontSize": "1.35rem",
    "baseRadius": "0.5rem",
    "buttonRadius": "0.5rem",
    "showWidgetBorder": True,
    "showSidebarBorder": False,
    "linkUnderline": True,
}
LIGHT = {
    "primaryColor": "#0b6e63",
    "backgroundColor": "#fbfaf6",
    "secondaryBackgroundColor": "#f1efe8",
    "textColor": "#1d2521",
    "linkColor": "#0b6e63",
    "borderColor": "#dad7cc",
    "codeBackgroundColor": "#f1efe8",
    "sidebar.backgroundColor": "#f1efe8",
    "sidebar.secondaryBackgroundColor": "#fbfaf6",
}
DARK = {
    "primaryColor": "#1f9484",
    "backgroundColor": "#131716",
    "secondaryBackgroundColor": "#1d2322",
    "textColor": "#e8ebe6",
    "linkColor": "#6fd3c3",
    "borderColor": "#37403d",
    "codeBackgroundColor": "#1d2322",
    "sidebar.backgroundColor": "#181d1c",
    "sidebar.secondaryBackgroundColor": "#232a28",
}
CHART = ["#0b8577", "#d9822b", "#5b6ee1", "#c2476b", "#8a9a2b", "#7a5ea8"]  # told apart in both themes


def options() -> dict[str, Any]:
    """Options of Streamlit, light and dark; which of the two is the browser's wish, or the person's in the menu."""
    made: dict[str, Any] = {f"theme.{name}": value for name, value in SHARED.items()}
    made["theme.chartCategoricalColors"] = CHART
    made |= {f"theme.light.{name}": value for name, value in LIGHT.items()}
    return made | {f"theme.dark.{name}": value for name, value in DARK.items()}


@cache
def style_sheet() -> str:
    """A <style> element. --sk-ground is the colour of the page, --sk-raised that of fields, in whichever theme is on."""
    colours = {"ground": "backgroundColor", "raised": "secondaryBackgroundColor"}
    names = " ".join(f"--sk-{name}: light-dark({LIGHT[key]}, {DARK[key]});" for name, key in colours.items())
    return f"<style>:root {{ {names} }}\n{(HERE / 'studio.css').read_text()}</style>"
