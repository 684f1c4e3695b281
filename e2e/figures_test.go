package e2e_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-analyze/charts"
)

const (
	reliability = "../docs/reliability.md"
	performance = "../docs/performance.md"
)

var writePerformance = flag.Bool("performance", false, "write the figures of the benchmarks that ran into docs/performance.md")

// readFigures gives what stands in a document between the marks of that name.
func readFigures(t testing.TB, document, name string) string {
	t.Helper()
	_, between, _ := cutDocument(t, document, name)
	return between
}

// writeFigures puts a text there.
func writeFigures(t testing.TB, document, name, text string) {
	t.Helper()
	before, _, after := cutDocument(t, document, name)
	if err := os.WriteFile(document, []byte(before+text+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func cutDocument(t testing.TB, document, name string) (before, between, after string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	start, end := "<!-- "+name+" -->\n", "<!-- end -->"
	before, rest, found := strings.Cut(string(text), start)
	between, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no place for %s", document, name)
	}
	return before + start, between, end + after
}

// table is figures of one kind.
type table struct {
	name string // the mark in docs/performance.md
	text strings.Builder
}

func newTable(name string, columns ...string) *table {
	t := &table{name: name}
	t.add(columns...)
	t.text.WriteString("|---" + strings.Repeat("|---:", len(columns)-1) + "|\n")
	return t
}

func (t *table) add(cells ...string) { t.text.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

// publish writes the table where it stands, if that was asked for.
func (t *table) publish(b *testing.B) {
	b.Helper()
	if *writePerformance && !b.Failed() {
		writeFigures(b, performance, t.name, t.text.String())
	}
}

// bars draws a group of bars for each label, with a bar of each of the series, into docs/NAME.svg.
func bars(b *testing.B, name, title string, labels, series []string, values [][]float64) {
	b.Helper()
	if !*writePerformance || b.Failed() {
		return
	}
	opt := charts.NewBarChartOptionWithData(values)
	opt.Title.Text = title
	opt.CategoryAxis.Labels, opt.CategoryAxis.LabelCount = labels, len(labels)
	opt.CategoryAxis.LabelFontStyle.FontSize = 9
	opt.ValueAxis[0].Min = charts.Ptr(0.0) // a bar's length is its figure
	opt.Legend.SeriesNames = series
	opt.Legend.Offset = charts.OffsetStr{Top: charts.PositionBottom}
	for i := range opt.SeriesList {
		opt.SeriesList[i].Label.Show = charts.Ptr(true)
	}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 800, Height: 400})
	if err := p.BarChart(opt); err != nil {
		b.Fatal(err)
	}
	svg, err := p.Bytes()
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(performance), "performance-"+name+".svg"), svg, 0o644); err != nil {
		b.Fatal(err)
	}
}
