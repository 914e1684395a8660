// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/journal"
)

// showBucket prints what is in the bucket, and the requests that were needed so far.
func (d *demo) showBucket(context.Context) error {
	objects := d.cloud.OSS().Objects(bucket)
	if len(objects) == 0 {
		return errors.New("the bucket is empty")
	}
	rows := [][]string{{"SIZE", "KEY"}}
	for _, object := range objects {
		rows = append(rows, []string{strconv.FormatInt(object.Size, 10), object.Key})
	}
	d.table(rows)
	d.say("Requests for the bucket since it is known to Velero:")
	d.table(requestTable(d.cloud.Journal().Entries()))
	return nil
}

// traffic sums requests of one operation up. Bytes are those of the bodies.
type traffic struct {
	operation      string
	requests       int
	sent, received int64
}

// requestTable sums the requests of OSS up by operation.
func requestTable(entries []journal.Entry) [][]string {
	sums := map[string]*traffic{}
	for _, entry := range entries {
		if entry.Service != "oss" {
			continue
		}
		sum, ok := sums[entry.Operation]
		if !ok {
			sum = &traffic{operation: entry.Operation}
			sums[entry.Operation] = sum
		}
		sum.requests++
		sum.sent += entry.RequestBytes
		sum.received += entry.ResponseBytes
	}
	rows := make([][]string, 0, 1+len(sums))
	rows = append(rows, []string{"REQUESTS", "OPERATION", "BYTES SENT", "BYTES RECEIVED"})
	byOperation := func(a, b *traffic) int { return cmp.Compare(a.operation, b.operation) }
	for _, sum := range slices.SortedFunc(maps.Values(sums), byOperation) {
		rows = append(rows, []string{
			strconv.Itoa(sum.requests), sum.operation, strconv.FormatInt(sum.sent, 10), strconv.FormatInt(sum.received, 10),
		})
	}
	return rows
}
