// SPDX-License-Identifier: Apache-2.0

package csidriver_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/cloudsimtest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/csidriver"
)

const (
	account  = "1000000000000001"
	region   = "cn-hangzhou"
	zone     = "cn-hangzhou-h"
	instance = "i-worker"
	server   = "fs1-abc12.cn-hangzhou.nas.aliyuncs.com"
	patience = 20 * time.Second
)

const simulated = `
accounts:
- id: "1000000000000001"
  ownerKey: {id: LTAIowner, secret: owner-secret}
nas:
  fileSystems:
  - {id: fs1, account: "1000000000000001", region: cn-hangzhou, files: {shop/orders.csv: "1,tea"}}
buckets:
- {name: bucket-1, owner: "1000000000000001", region: cn-hangzhou}
ecs:
  regions:
  - {id: cn-hangzhou, zones: [{id: cn-hangzhou-h}, {id: cn-hangzhou-i}]}
  - {id: cn-beijing, zones: [{id: cn-beijing-k}]}
  instances:
  - {id: i-worker, account: "1000000000000001", zone: cn-hangzhou-h}
  - {id: i-other, account: "1000000000000001", zone: cn-hangzhou-h}
  disks:
  - {id: d-1, account: "1000000000000001", zone: cn-hangzhou-h, size: 20, files: {a: disk}}
  - {id: d-far, account: "1000000000000001", zone: cn-hangzhou-i, size: 20}
  - {id: d-taken, account: "1000000000000001", zone: cn-hangzhou-h, size: 20, instance: i-other}
`

// mount is what a table of mounts has for a target.
type mount struct {
	Source   string
	ReadOnly bool
}

// table is a Mounter that mounts nothing.
type table struct {
	mu     sync.Mutex
	mounts map[string]mount
}

func (m *table) Bind(source, target string, readOnly bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, mounted := m.mounts[target]; !mounted {
		m.mounts[target] = mount{source, readOnly}
	}
	return nil
}

func (m *table) Unbind(target string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mounts, target)
	return nil
}

// all returns the mounts, by target.
func (m *table) all() map[string]mount {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]mount{}
	for target, mounted := range m.mounts {
		all[target] = mounted
	}
	return all
}

// bench is a driver that runs.
type bench struct {
	*csidriver.Driver

	cloud  *cloudsim.Cloud
	mounts *table
}

// start runs a driver, for the claims of a cluster unless api is nil.
func start(t *testing.T, api client.Client) *bench {
	t.Helper()
	// A test's own directory has too long a name for a socket.
	dir, err := os.MkdirTemp("", "csi") //nolint:usetesting // See above.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	cloud := cloudsimtest.Start(t, simulated)
	http, err := csidriver.NewHTTPClient(cloud.ProxyURL(), cloud.CACert())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.CloseIdleConnections)
	b := &bench{cloud: cloud, mounts: &table{mounts: map[string]mount{}}}
	b.Driver = &csidriver.Driver{
		Client: api, Mounter: b.mounts, KubeletDir: dir, Log: slog.New(slog.DiscardHandler),
		Cloud: &csidriver.Cloud{
			HTTP: http, AdminURL: cloud.AdminURL(), Region: region,
			Account: csidriver.Account{ID: account, AccessKeyID: "LTAIowner", AccessKeySecret: "owner-secret"},
		},
		Machine:     csidriver.Machine{Node: "node-1", Instance: instance, Zone: zone},
		FileSystems: map[string]string{csidriver.CNFS: server},
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the driver: %v", err)
		}
	})
	return b
}

// dial connects to a socket below the kubelet's directory.
func (b *bench) dial(t *testing.T, socket string) *grpc.ClientConn {
	t.Helper()
	wait(t, socket, func(context.Context) error {
		_, err := os.Stat(socket)
		return err
	})
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := connection.Close(); err != nil {
			t.Error(err)
		}
	})
	return connection
}

// target is a directory for a Pod's volume.
func (b *bench) target(name string) string {
	return filepath.Join(b.KubeletDir, "pods", name, "mount")
}

// wait waits for what happens by itself.
func wait(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	if err := poll.Until(t.Context(), patience, what, check); err != nil {
		t.Fatal(err)
	}
}

// equal compares.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// attached returns the instances of a disk.
func (b *bench) attached(id string) []string {
	for _, d := range b.cloud.ECS().Disks() {
		if d.ID == id {
			return d.Instances
		}
	}
	return nil
}

var errNotYet = errors.New("not yet")
