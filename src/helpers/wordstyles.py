"""The styles of the Word document: pandoc's own reference document with our fonts, sizes, colours and table rules."""

from __future__ import annotations

import re
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

FONT = "Arial"
INK, MUTED, ACCENT, RULE = "1D2730", "515B64", "12436D", "C9D0D6"


def _run(size: float, colour: str = INK, bold: bool = False, italic: bool = False) -> str:
    fonts = f'<w:rFonts w:ascii="{FONT}" w:hAnsi="{FONT}" w:cs="{FONT}" w:eastAsia="{FONT}"/>'
    marks = ("<w:b/><w:bCs/>" if bold else '<w:b w:val="0"/>') + ("<w:i/>" if italic else '<w:i w:val="0"/>')
    return (
        f'<w:rPr>{fonts}{marks}<w:color w:val="{colour}"/><w:sz w:val="{round(size * 2)}"/><w:szCs '
        f'w:val="{round(size * 2)}"/></w:rPr>'
    )


def _paragraph(
    before: int = 0,
    after: int = 120,
    keep: bool = False,
    level: int | None = None,
    line: int = 276,
    extra: str = "",
    indent: str = "",
) -> str:
    parts = ("<w:keepNext/><w:keepLines/>" if keep else "") + extra
    outline = f'<w:outlineLvl w:val="{level}"/>' if level is not None else ""
    return (
        f'<w:pPr>{parts}<w:spacing w:before="{before}" w:after="{after}" w:line="{line}" '
        f'w:lineRule="auto"/>{indent}{outline}</w:pPr>'
    )


def _style(
    id: str,
    name: str,
    paragraph: str,
    run: str,
    based: str = "Normal",
    following: str = "BodyText",
    default: bool = False,
) -> str:
    head = ' w:default="1"' if default else ""
    base = f'<w:basedOn w:val="{based}"/><w:next w:val="{following}"/>' if not default else ""
    return (
        f'<w:style w:type="paragraph"{head} w:styleId="{id}"><w:name '
        f'w:val="{name}"/>{base}<w:qFormat/>{paragraph}{run}</w:style>'
    )


# Page numbers of the contents, at the right edge of the text (in twentieths of a point).
_PAGES = '<w:tabs><w:tab w:val="right" w:pos="9072"/></w:tabs>'


def _paragraphs() -> dict[str, str]:
    box = (
        f'<w:pBdr><w:left w:val="single" w:sz="24" w:space="8" w:color="{ACCENT}"/></w:pBdr><w:shd '
        f'w:val="clear" w:color="auto" w:fill="F3F5F7"/>'
    )
    top = f'<w:pageBreakBefore/><w:pBdr><w:top w:val="single" w:sz="24" w:space="8" w:color="{ACCENT}"/></w:pBdr>'
    styles = [
        _style("Normal", "Normal", _paragraph(), _run(11), default=True),
        _style("BodyText", "Body Text", _paragraph(0, 140), _run(11)),
        _style("FirstParagraph", "First Paragraph", _paragraph(0, 140), _run(11), "BodyText"),
        _style("Compact", "Compact", _paragraph(0, 80), _run(11), "BodyText"),
        _style("Title", "Title", _paragraph(2400, 240, line=240), _run(30, ACCENT, True)),
        _style("Subtitle", "Subtitle", _paragraph(0, 360, line=252), _run(15, MUTED)),
        _style("Author", "Author", _paragraph(0, 60), _run(11, MUTED)),
        _style("Date", "Date", _paragraph(0, 600), _run(11, MUTED)),
        _style("Heading1", "heading 1", _paragraph(240, 240, True, 0, 252, top), _run(21, ACCENT, True)),
        _style("Heading2", "heading 2", _paragraph(360, 120, True, 1, 252), _run(15, INK, True)),
        _style("Heading3", "heading 3", _paragraph(280, 100, True, 2, 252), _run(12.5, INK, True)),
        _style("Heading4", "heading 4", _paragraph(220, 80, True, 3, 252), _run(11, INK, True)),
        _style(
            "TOCHeading",
            "TOC Heading",
            _paragraph(240, 200, True, extra="<w:pageBreakBefore/>"),
            _run(16, ACCENT, True),
        ),
        _style("TOC1", "toc 1", _paragraph(120, 20, line=252, extra=_PAGES), _run(10.5, INK, True)),
        _style("TOC2", "toc 2", _paragraph(0, 20, line=252, extra=_PAGES, indent='<w:ind w:left="340"/>'), _run(10.5)),
        _style("Footer", "footer", _paragraph(0, 0, line=240, indent='<w:jc w:val="right"/>'), _run(8.5, MUTED)),
        _style("SectionEnd", "Section End", _paragraph(0, 0, line=20), _run(1)),
        _style("Caption", "caption", _paragraph(240, 60, True, line=252), _run(10.5, INK)),
        _style("ImageCaption", "Image Caption", _paragraph(280, 40, True, line=252), _run(10.5, INK, True), "Caption"),
        _style("TableCaption", "Table Caption", _paragraph(280, 80, True, line=252), _run(10.5, INK), "Caption"),
        _style("FigureSubtitle", "Figure Subtitle", _paragraph(0, 80, True, line=252), _run(9.5, MUTED)),
        _style("CaptionedFigure", "Captioned Figure", _paragraph(0, 60, True, line=240), _run(11)),
        *(
            _style(
                f"Table{kind}{id}",
                f"Table {kind}{name}",
                _paragraph(20, 20, line=240),
                _run(size, bold=kind == "Heading"),
            )
            for kind in ("Text", "Heading")
            for id, name, size in (("", "", 8.5), ("Small", " Small", 7.5))
        ),
        _style("Source", "Source", _paragraph(40, 280, line=252), _run(8.5, MUTED)),
        _style("Callout", "Callout", _paragraph(60, 100, extra=box), _run(10.5)),
        _style(
            "Bibliography",
            "Bibliography",
            _paragraph(0, 100, line=252, indent='<w:ind w:left="340" w:hanging="340"/>'),
            _run(10),
        ),
        _style("FootnoteText", "footnote text", _paragraph(0, 40, line=240), _run(9)),
    ]
    return {re.search(r'styleId="([^"]+)"', s)[1]: s for s in styles}  # type: ignore[index]


_SIDES = (("top", 30), ("left", 60), ("bottom", 30), ("right", 60))
_CELL_MARGINS = "".join(f'<w:{side} w:w="{width}" w:type="dxa"/>' for side, width in _SIDES)
_TABLE = (  # the order of the elements is the schema's
    '<w:style w:type="table" w:default="1" w:styleId="Table"><w:name w:val="Table"/><w:qFormat/>'
    f'<w:tblPr><w:tblBorders><w:bottom w:val="single" w:sz="4" w:color="{RULE}"/>'
    f'<w:insideH w:val="single" w:sz="4" w:color="{RULE}"/></w:tblBorders>'
    f"<w:tblCellMar>{_CELL_MARGINS}</w:tblCellMar></w:tblPr>"
    '<w:tblStylePr w:type="firstRow"><w:rPr><w:b/></w:rPr><w:trPr><w:tblHeader/></w:trPr>'
    f'<w:tcPr><w:tcBorders><w:bottom w:val="single" w:sz="12" w:color="{INK}"/></w:tcBorders>'
    '<w:vAlign w:val="bottom"/></w:tcPr></w:tblStylePr></w:style>'
)


def write(path: Path) -> None:
    """Write the reference document from which pandoc takes its styles."""
    import pypandoc

    done = subprocess.run(
        [pypandoc.get_pandoc_path(), "--print-default-data-file", "reference.docx"], capture_output=True, check=True
    )
    with zipfile.ZipFile(BytesIO(done.stdout)) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            content = old.read(item.filename)
            if item.filename == "word/styles.xml":
                content = styles(content.decode()).encode()
            new.writestr(zipfile.ZipInfo(item.filename, (1980, 1, 1, 0, 0, 0)), content)


def styles(xml: str) -> str:
    """styles.xml with our paragraph and table styles in place of those of the same name."""
    for id, style in {**_paragraphs(), "Table": _TABLE}.items():
        found = re.search(rf'<w:style\b[^>]*w:styleId="{id}"[^>]*>.*?</w:style>', xml, flags=re.DOTALL)
        xml = xml.replace(found[0], style) if found else xml.replace("</w:styles>", f"{style}</w:styles>")
    xml = re.sub(r"<w:lang [^>]*/>", "", xml)
    language = '<w:lang w:val="en-GB" w:eastAsia="en-GB" w:bidi="ar-SA"/>'
    return re.sub(r"(<w:rPrDefault>\s*<w:rPr>.*?)(</w:rPr>)", rf"\1{language}\2", xml, count=1, flags=re.DOTALL)
