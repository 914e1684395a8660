// SPDX-License-Identifier: Apache-2.0

// Command velero-plugin-alibabacloud is a bundle of Velero plugins for Alibaba
// Cloud. Velero starts it; a person starts its subcommands.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework"
	"github.com/vmware-tanzu/velero/pkg/plugin/framework/common"
	_ "golang.org/x/crypto/x509roots/fallback" // For an image without the certificates of the public authorities.

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/buildinfo"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/heap"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/parent"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/selfcopy"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/storageclass"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/objectstore"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr"
)

// How much the heap may grow beyond what is alive. Velero's pod has 512 MiB by default for
// the server and all plugin processes that live at a time; by Go's default of 100 percent
// the heap would grow to twice the parts of an upload. To collect more often costs an upload
// little: its parts hold no pointers. Beside item actions little is alive, and by the
// percentage alone most of their time would go into the collection of garbage.
const (
	gcPercent = 5
	gcAtLeast = 4 << 20
)

// endTimeout is how long the process goes on after Velero has ended it. Velero's plugin
// client kills it after two seconds.
const endTimeout = 1900 * time.Millisecond

// orphanInterval is how often a plugin looks whether Velero is still there.
const orphanInterval = 2 * time.Second

func main() {
	// Velero sets this for whatever it starts as a plugin, with arguments of its own behind.
	if os.Getenv("VELERO_PLUGIN") == "hello" {
		serve()
		return
	}
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve registers the plugins and serves them until Velero ends the process.
func serve() {
	if os.Getenv("GOGC") == "" {
		defer heap.Bound(gcPercent, gcAtLeast)()
	}
	go parent.Watch(context.Background(), os.Getppid(), os.Getppid, orphanInterval, func() { os.Exit(0) })

	made := &lazyBundle{}
	defer made.end()
	framework.NewServer().
		BindFlags(pflag.CommandLine).
		RegisterObjectStore(provider, func(log logrus.FieldLogger) (any, error) {
			return objectstore.New(log, made.of(log).cloud, os.Getenv), nil
		}).
		RegisterVolumeSnapshotter(provider, func(log logrus.FieldLogger) (any, error) {
			return made.of(log).disks, nil
		}).
		RegisterVolumeSnapshotter(fileSystemProvider, func(log logrus.FieldLogger) (any, error) {
			return made.of(log).files, nil
		}).
		RegisterBackupItemActions(backupItemActions(made)).
		RegisterBackupItemActionV2(backupitemaction.SnapshotProgressName, func(log logrus.FieldLogger) (any, error) {
			return made.of(log).progress, nil
		}).
		RegisterRestoreItemActions(restoreItemActions(made)).
		RegisterRestoreItemActionV2(restoreitemaction.VolumeReadyName, func(log logrus.FieldLogger) (any, error) {
			return made.of(log).ready, nil
		}).
		Serve()
}

// backupItemActions returns what makes each of the backup item actions of version 1.
func backupItemActions(made *lazyBundle) map[string]common.HandlerInitializer {
	initializers := make(map[string]common.HandlerInitializer)
	for name, construct := range backupitemaction.Constructors() {
		initializers[name] = func(log logrus.FieldLogger) (any, error) {
			return construct(log, made.of(log).onBackup), nil
		}
	}
	return initializers
}

// restoreItemActions returns what makes each of the restore item actions of version 1.
func restoreItemActions(made *lazyBundle) map[string]common.HandlerInitializer {
	initializers := make(map[string]common.HandlerInitializer)
	for name, construct := range restoreitemaction.Constructors() {
		initializers[name] = func(log logrus.FieldLogger) (any, error) {
			return construct(log, made.of(log).onRestore), nil
		}
	}
	return initializers
}

// provider is the name of the object store and of the snapshotter of disks: `velero
// install` uses one for both.
const provider = "velero.io/alibabacloud"

// fileSystemProvider is the name of the snapshotter of file systems.
const fileSystemProvider = "alibabacloud.com/hbr"

// bundle is what the plugins of a process share.
type bundle struct {
	cloud     *alicloud.Cloud
	disks     *ecs.Snapshotter
	files     *hbr.Snapshotter
	progress  *backupitemaction.SnapshotProgress
	ready     *restoreitemaction.VolumeReady
	onBackup  backupitemaction.Dependencies
	onRestore restoreitemaction.Dependencies
}

// lazyBundle is made when it is first asked for, because the framework hands out its
// logger no sooner.
type lazyBundle struct {
	once sync.Once
	made *bundle
}

// of returns the bundle, which contacts nothing until it is used.
func (l *lazyBundle) of(log logrus.FieldLogger) *bundle {
	l.once.Do(func() {
		env := alicloud.Environment{Getenv: os.Getenv, Log: log}
		here, err := cluster.Find(os.Getenv)
		if err != nil {
			here = cluster.Absent(err)
		} else {
			env.AddonTokenSecret = func(ctx context.Context) ([]byte, error) {
				return here.SecretValue(ctx, credentials.AddonTokenSecretNamespace, credentials.AddonTokenSecretName, credentials.AddonTokenSecretKey)
			}
		}
		cloud := alicloud.New(env)
		reader := settings.NewReader(here)
		targets := storageclass.NewTargets(reader, here)
		disks := ecs.New(log, cloud, here, restoreitemaction.NewDiskTargets(targets, reader), os.Getenv)
		files := hbr.New(log, cloud, here, targets)
		l.made = &bundle{
			cloud: cloud,
			disks: disks,
			files: files,
			progress: backupitemaction.NewSnapshotProgress(log, here, backupitemaction.ServerOf(os.Args[1:]),
				map[string]backupitemaction.Snapshots{fileSystemProvider: files, provider: disks}),
			// A disk whose files are restored is first of all a volume that is being filled.
			ready: restoreitemaction.NewVolumeReady(log, here,
				restoreitemaction.Provider{Name: fileSystemProvider, Volumes: files, OfOneRestore: true},
				restoreitemaction.Provider{Name: provider, Volumes: disks}),
			onBackup: backupitemaction.Dependencies{
				Settings: reader, Clients: here,
				References: backupitemaction.NewSecretReferences(here), Decisions: &backupitemaction.SystemDecisions{},
			},
			onRestore: restoreitemaction.Dependencies{
				Settings: reader, Planner: storageclass.NewPlanner(log, targets, here), Clients: here, Discovery: here,
			},
		}
	})
	return l.made
}

// end lets the plugins end what they began. Velero has closed the connection.
func (l *lazyBundle) end() {
	if l.made == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	l.made.ready.Close()
	l.made.files.End(ctx)
	l.made.disks.End(ctx)
}

// errUsage says what the binary is to a person who runs it by hand.
var errUsage = errors.New("velero-plugin-alibabacloud is a plugin of Velero, which loads it after: velero plugin add <image>; " +
	"by hand run one of its subcommands: copy <directory>, idle, version")

// run runs a subcommand.
func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	build, _ := debug.ReadBuildInfo()
	info := buildinfo.Of(build)
	switch command, rest := args[0], args[1:]; command {
	case "version", "--version":
		_, err := fmt.Fprint(out, info)
		return err
	case "help", "--help", "-h":
		_, err := fmt.Fprintln(out, errUsage)
		return err
	case "copy":
		return runCopy(rest, info, out)
	case "idle":
		return runIdle(rest, out)
	default:
		return fmt.Errorf("unknown subcommand %q: %w", command, errUsage)
	}
}

// runIdle does nothing until it is told to end. Pods run it that are there for the volume
// that they mount.
func runIdle(args []string, out io.Writer) error {
	if len(args) != 0 {
		return errors.New("usage: velero-plugin-alibabacloud idle")
	}
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if _, err := fmt.Fprintln(out, "Mounting a volume for Cloud Backup, until this pod is deleted"); err != nil {
		return err
	}
	<-ended.Done()
	return nil
}

func runCopy(args []string, info buildinfo.Info, out io.Writer) error {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return errors.New("usage: velero-plugin-alibabacloud copy <directory>")
	}
	executable, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the plugin binary: %w", err)
	}
	target, err := selfcopy.Copy(executable, args[0])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Copied velero-plugin-alibabacloud %s to %s\n", info.Version, target)
	return err
}
