// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// indent sets what belongs to a step apart from its title.
const indent = "   "

// console is where the demo tells what it does.
type console struct {
	out   io.Writer
	steps int
}

// title begins the next step.
func (c *console) title(text string) {
	c.steps++
	fmt.Fprintf(c.out, "\n%d. %s\n", c.steps, text)
}

// say prints lines that belong to the step.
func (c *console) say(format string, args ...any) {
	fmt.Fprint(c.out, indented(fmt.Sprintf(format, args...)))
}

// indented returns whole lines, each indented.
func indented(text string) string {
	var lines strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		lines.WriteString(strings.TrimRight(indent+line, " \n") + "\n")
	}
	return lines.String()
}

// table prints rows in columns.
func (c *console) table(rows [][]string) {
	var text bytes.Buffer
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	_ = columns.Flush() // a buffer takes all
	c.say("%s", &text)
}

// Write lets other packages tell their progress within the step. They write whole lines.
func (c *console) Write(p []byte) (int, error) {
	if _, err := io.WriteString(c.out, indented(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
