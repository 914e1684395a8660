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
	for line := range strings.Lines(strings.TrimSpace(fmt.Sprintf(format, args...))) {
		fmt.Fprintln(c.out, strings.TrimRight(indent+line, " \n"))
	}
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
	c.say("%s", p)
	return len(p), nil
}
