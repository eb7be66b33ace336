import jinja2
import pytest

from analysis.templating import Markup, render, render_text


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return the name of a package with a few templates."""
    home = tmp_path_factory.mktemp("packages")
    templates = home / "pages_of_a_test" / "templates"
    templates.mkdir(parents=True)
    (templates.parent / "__init__.py").touch()
    (templates / "item.html").write_text('<li title="{{ name }}">{{ name }}</li>')
    (templates / "facts.html").write_text('{% import "shared.html" as shared %}{{ shared.facts(rows) }}')
    (templates / "line.md").write_text("- {{ name }}\n")
    (templates / "list.html").write_text("<ul>{{ items }}</ul>")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(home)
        yield templates.parent.name


def test_text_is_escaped_also_inside_an_attribute(package):
    assert render(package, "item.html", name='<b a="1">&') == ('<li title="&lt;b a=&#34;1&#34;&gt;&amp;">&lt;b a=&#34;1&#34;&gt;&amp;</li>')


def test_the_output_of_a_template_goes_into_another_unchanged(package):
    item = render(package, "item.html", name="<")
    assert isinstance(item, Markup)
    assert render(package, "list.html", items=item) == '<ul><li title="&lt;">&lt;</li></ul>'


def test_a_value_that_is_not_given_is_an_error_and_not_an_empty_text(package):
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        render(package, "item.html")


def test_markdown_is_not_escaped_and_ends_with_a_newline(package):
    assert render_text(package, "line.md", name="R&D <1") == "- R&D <1\n"
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        render_text(package, "line.md")


def test_a_page_of_any_package_finds_the_shared_macros(package):
    facts = render(package, "facts.html", rows=[("<name>", "R&D")])
    assert facts == '<dl class="facts"><div><dt>&lt;name&gt;</dt><dd>R&amp;D</dd></div></dl>'
