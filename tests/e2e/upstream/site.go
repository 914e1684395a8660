// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/expose"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/csidriver"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/images"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
)

// kibishiiImage is that of what stands in for Kibishii.
const kibishiiImage = "kibishii-double:e2e"

// site is where suites run.
type site struct {
	options

	checkout string
	dir      string
	builder  *tools.Builder
	out      io.Writer
}

// run runs suites on a cluster, or two.
func (s site) run(ctx context.Context, p program, chosen, all []suite) (ran []spec, err error) {
	names := []string{s.cluster}
	if len(where(chosen, func(s suite) bool { return s.runs == migration })) > 0 {
		names = append(names, s.standby)
	}
	var clusters []*cluster.Cluster
	for i, name := range names {
		_, opened := cluster.Open(ctx, name)
		c, err := cluster.Up(ctx, cluster.Options{Name: name, Index: s.index + i, Region: region, Zone: zone, Progress: s.out})
		if err != nil {
			return nil, err
		}
		if opened != nil && !s.keep {
			defer func() { err = errors.Join(err, cluster.Down(context.WithoutCancel(ctx), name)) }()
		}
		clusters = append(clusters, c)
	}
	cloud, err := startCloud(ctx, s.checkout, clusters[0].HostAddress, s.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cloud.close()) }()
	if err := s.load(ctx, clusters); err != nil {
		return nil, err
	}
	return s.runAll(ctx, p, cloud, clusters, chosen, all)
}

// runAll runs suites, those of one installation after those of another.
func (s site) runAll(ctx context.Context, p program, at *cloud, clusters []*cluster.Cluster, chosen, all []suite) (ran []spec, err error) {
	for _, i := range installations() {
		group := where(chosen, func(s suite) bool { return s.runs == i })
		if len(group) == 0 {
			continue
		}
		kubeconfig := clusters[0].Kubeconfig
		if i != plain {
			if err := s.installDriver(ctx, clusters, at); err != nil {
				return ran, err
			}
		}
		if i == snapshots {
			if err := provisioner.InstallSnapshots(ctx, clusters[0].Client); err != nil {
				return ran, err
			}
		}
		if i == migration {
			kubeconfig = filepath.Join(s.dir, "kubeconfig")
			if err := writeKubeconfig(kubeconfig, clusters); err != nil {
				return ran, err
			}
		}
		for _, c := range clusters {
			if err := p.uninstall(ctx, c.Kubeconfig); err != nil {
				return ran, err
			}
		}
		flags, env := i.settings(at, p.testdata)
		fmt.Fprintf(s.out, "running %d suites (%s), log: %s\n", len(group), i, filepath.Join(s.output, string(i)+".log"))
		start := time.Now()
		specs, err := p.run(ctx, string(i), kubeconfig, env, append(flags, "--ginkgo.v", "--ginkgo.label-filter="+filter(group, all))...)
		ran = append(ran, specs...)
		if err != nil {
			return ran, err
		}
		fmt.Fprintf(s.out, "ran them in %s\n", time.Since(start).Round(time.Second))
	}
	return ran, nil
}

// load puts the images onto the nodes.
func (s site) load(ctx context.Context, clusters []*cluster.Cluster) error {
	start := time.Now()
	links, err := images.BusyBoxLinks(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"/usr/local/bin/generate.sh", "/usr/local/bin/verify.sh", "/bin/cat"} {
		links[name] = "/kibishii"
	}
	for _, build := range []func() (string, error){
		func() (string, error) { return images.BuildBusyBox(ctx) },
		func() (string, error) { return images.BuildVelero(ctx, s.builder) },
		func() (string, error) { return images.BuildPlugin(ctx, s.checkout, s.dir) },
		func() (string, error) { return images.BuildCSIDriver(ctx) },
		func() (string, error) {
			return cluster.BuildImage(ctx, cluster.Image{
				Name: kibishiiImage, Programs: map[string]string{"/kibishii": "./tests/e2e/upstream/kibishiidouble"},
				Files: map[string]string{"/bin/busybox": "/bin/busybox"}, Links: links, Env: []string{"PATH=/bin"}, Entrypoint: []string{"/kibishii"},
			})
		},
	} {
		archive, err := build()
		if err != nil {
			return err
		}
		for _, c := range clusters {
			if err := c.LoadImage(ctx, archive); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(s.out, "built and loaded the images in %s\n", time.Since(start).Round(time.Second))
	return nil
}

// installDriver gives the clusters disks, by the CSI driver for tests.
func (s site) installDriver(ctx context.Context, clusters []*cluster.Cluster, at *cloud) error {
	for i, c := range clusters {
		reached, err := expose.Apply(ctx, c.Client, at.Addresses())
		if err != nil {
			return err
		}
		err = csidriver.Install(ctx, c.Client, csidriver.Options{
			Image: images.CSIDriver, AdminURL: reached.Admin, ProxyURL: reached.Proxy, StateDir: at.stateDir, KubeletDir: c.KubeletDir,
			Region: region, Instance: instances()[i], Zone: zone,
			Account: csidriver.Account{ID: accountID, AccessKeyID: ownerKeyID, AccessKeySecret: ownerKeySecret},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeKubeconfig writes a kubeconfig of both clusters, the first of which is the current one.
func writeKubeconfig(file string, clusters []*cluster.Cluster) error {
	both := api.NewConfig()
	for i, name := range []string{home, away} {
		one, err := clientcmd.LoadFromFile(clusters[i].Kubeconfig)
		if err != nil {
			return err
		}
		current := one.Contexts[one.CurrentContext]
		both.Clusters[name], both.AuthInfos[name] = one.Clusters[current.Cluster], one.AuthInfos[current.AuthInfo]
		both.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	}
	both.CurrentContext = home
	return clientcmd.WriteToFile(*both, file)
}
