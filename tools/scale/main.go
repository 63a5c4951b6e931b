// Command scale writes blocks as Prometheus would have them of many pods: each shows the same page, its counters growing.
//
//	scale DATA PAGE PODS MINUTES END
//
// PAGE is a text of /metrics, END seconds since the epoch. One sample of each series every 15 seconds, 100 pods in a block.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	step  = int64(15_000) // milliseconds
	batch = 100           // pods in a block
)

type series struct {
	labels labels.Labels
	value  float64
	grows  bool
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("usage: scale DATA PAGE PODS MINUTES END")
	}
	page, err := read(args[1])
	if err != nil {
		return err
	}
	numbers := make([]int64, 3)
	for place, text := range args[2:] {
		if numbers[place], err = strconv.ParseInt(text, 10, 64); err != nil {
			return err
		}
	}
	pods, minutes, end := numbers[0], numbers[1], numbers[2]*1000
	for first := int64(0); first < pods; first += batch {
		if err := block(args[0], page, first, min(first+batch, pods), end-minutes*60_000, end); err != nil {
			return err
		}
	}
	fmt.Println(int64(len(page))*pods, "series")
	return nil
}

// read takes the samples of a page; those of counters and histograms grow.
func read(path string) ([]series, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	kinds, promql := map[string]string{}, parser.NewParser(parser.Options{})
	var page []series
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if words := strings.Fields(line); len(words) == 4 && words[1] == "TYPE" {
			kinds[words[2]] = words[3]
		}
		place := strings.LastIndex(line, " ")
		if place < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(line[place+1:], 64)
		if err != nil {
			return nil, err
		}
		metric, err := promql.ParseMetric(line[:place])
		if err != nil {
			return nil, err
		}
		page = append(page, series{metric, value, grows(kinds, metric.Get("__name__"))})
	}
	return page, lines.Err()
}

func grows(kinds map[string]string, name string) bool {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, found := strings.CutSuffix(name, suffix); found && kinds[base] == "histogram" {
			return true
		}
	}
	return kinds[name] == "counter"
}

func block(folder string, page []series, first, last, start, end int64) error {
	writer, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), folder, 4*3600*1000)
	if err != nil {
		return err
	}
	defer writer.Close()
	for pod := first; pod < last; pod++ {
		app := writer.Appender(context.Background())
		for _, one := range page {
			builder := labels.NewBuilder(one.labels)
			builder.Set("job", fmt.Sprintf("service-%d", pod%10))
			builder.Set("instance", fmt.Sprintf("pod-%d:9464", pod))
			target := builder.Labels()
			for at := (start + step - 1) / step * step; at <= end; at += step {
				value := one.value
				if one.grows { // by a page's worth each hour, faster in some pods
					value *= 1 + float64(at-start)/3_600_000*(1+float64(pod%7)/7)
				}
				if _, err := app.Append(0, target, at, value); err != nil {
					return err
				}
			}
		}
		if err := app.Commit(); err != nil {
			return err
		}
	}
	_, err = writer.Flush(context.Background())
	return err
}
