// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/expose"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/csidriver"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/images"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

// site is where suites run.
type site struct {
	options

	checkout string
	dir      string
	builder  *tools.Builder
	out      io.Writer
}

// run runs suites on a cluster.
func (s site) run(ctx context.Context, p program, chosen, all []suite) (ran []spec, err error) {
	_, opened := cluster.Open(ctx, s.cluster)
	c, err := cluster.Up(ctx, cluster.Options{Name: s.cluster, Index: s.index, Region: region, Zone: zone, Progress: s.out})
	if err != nil {
		return nil, err
	}
	if opened != nil && !s.keep {
		defer func() { err = errors.Join(err, cluster.Down(context.WithoutCancel(ctx), s.cluster)) }()
	}
	if err := s.load(ctx, c); err != nil {
		return nil, err
	}
	cloud, err := startCloud(s.checkout, c.HostAddress, s.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cloud.close()) }()
	for _, i := range installations() {
		group := where(chosen, func(s suite) bool { return s.runs == i })
		if len(group) == 0 {
			continue
		}
		if i != plain {
			if err := s.installDriver(ctx, c, cloud); err != nil {
				return ran, err
			}
		}
		flags, env := i.settings(cloud)
		fmt.Fprintf(s.out, "running %d suites (%s), log: %s\n", len(group), i, filepath.Join(s.output, string(i)+".log"))
		start := time.Now()
		specs, err := p.run(ctx, string(i), c.Kubeconfig, env, append(flags, "--ginkgo.v", "--ginkgo.label-filter="+filter(group, all))...)
		ran = append(ran, specs...)
		if err != nil {
			return ran, err
		}
		fmt.Fprintf(s.out, "ran them in %s\n", time.Since(start).Round(time.Second))
	}
	return ran, nil
}

// load puts the images onto the node.
func (s site) load(ctx context.Context, c *cluster.Cluster) error {
	start := time.Now()
	for _, build := range []func() (string, error){
		func() (string, error) { return images.BuildBusyBox(ctx) },
		func() (string, error) { return images.BuildVelero(ctx, s.builder) },
		func() (string, error) { return images.BuildPlugin(ctx, s.checkout, s.dir) },
	} {
		archive, err := build()
		if err != nil {
			return err
		}
		if err := c.LoadImage(ctx, archive); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.out, "built and loaded the images in %s\n", time.Since(start).Round(time.Second))
	return nil
}

// driverImage is the CSI driver's.
const driverImage = "csidriver:e2e"

// installDriver gives the cluster disks, by the CSI driver for tests.
func (s site) installDriver(ctx context.Context, c *cluster.Cluster, at *cloud) error {
	archive, err := cluster.BuildImage(ctx, cluster.Image{
		Name: driverImage, Programs: map[string]string{"/csidriver": "./tests/csidriver/cmd/csidriver"}, Entrypoint: []string{"/csidriver"},
	})
	if err != nil {
		return err
	}
	if err := c.LoadImage(ctx, archive); err != nil {
		return err
	}
	reached, err := expose.Apply(ctx, c.Client, at.Addresses())
	if err != nil {
		return err
	}
	return csidriver.Install(ctx, c.Client, csidriver.Options{
		Image: driverImage, AdminURL: reached.Admin, ProxyURL: reached.Proxy, StateDir: at.stateDir, KubeletDir: c.KubeletDir,
		Region: region, Instance: instance, Zone: zone,
		Account: csidriver.Account{ID: accountID, AccessKeyID: ownerKeyID, AccessKeySecret: ownerKeySecret},
	})
}
