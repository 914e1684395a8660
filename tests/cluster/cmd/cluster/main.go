// SPDX-License-Identifier: Apache-2.0

// Command cluster starts and ends clusters.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
)

func main() {
	ctx := context.Background()
	idx := map[string]int{"a": 1, "b": 2}
	name := os.Args[2]
	var err error
	switch os.Args[1] {
	case "up":
		var c *cluster.Cluster
		c, err = cluster.Up(ctx, cluster.Options{Name: name, Index: idx[name], Region: "cn-hangzhou", Zone: "cn-hangzhou-h", Progress: os.Stderr})
		if err == nil {
			fmt.Println(c.Kubeconfig)
		}
	case "down":
		err = cluster.Down(ctx, name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
