package bench_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/go-analyze/charts"

	"kafka-e2ee/e2e/harness"
)

const performance = "docs/performance.md"

var writePerformance = flag.Bool("performance", false, "write the figures of the benchmarks that ran into docs/performance.md")

// table holds the figures of one kind.
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

// publish writes the table into its section with -performance.
func (t *table) publish(b *testing.B) {
	b.Helper()
	if *writePerformance && !b.Failed() {
		harness.WriteSection(b, performance, t.name, t.text.String())
	}
}

// bars draws a group of bars for each label, with one bar for each series, into docs/performance-NAME.svg.
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
	if err := os.WriteFile(harness.Path(b, "docs/performance-"+name+".svg"), svg, 0o644); err != nil {
		b.Fatal(err)
	}
}
