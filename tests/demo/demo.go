// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
)

// options are what the caller may choose.
type options struct {
	// alter alters a restored object before it is compared.
	alter bool
	// keep leaves everything running at the end, until the context ends.
	keep bool
	// parent is the folder that gets the working folder.
	parent string
}

// demo is what the steps share.
type demo struct {
	*console

	options options
	// dir is the working folder, of which only the logs stay.
	dir    string
	tools  controlplane.Tools
	cloud  *cloudsim.Cloud
	cp     *controlplane.ControlPlane
	velero *controlplane.Velero
	// root is the folder of this repository.
	root string
	// disks are those of the application before the backup.
	disks []disk
	// files are those of the application on a NAS file system.
	files files
	// before are the application's objects before the backup.
	before map[string]*unstructured.Unstructured
}

// step is one thing that the demo does.
type step struct {
	title string
	run   func(context.Context) error
	// lookAt says what there is to see.
	lookAt string
}

// steps are the demo, in order.
func (d *demo) steps() []step {
	return []step{
		{"Build the plugin, Velero and Kubernetes", d.build, "the plugin is one static file, which Velero starts by itself"},
		{"Start a simulated Alibaba Cloud", d.startCloud, "the journal lists every request that the cloud gets, while this runs"},
		{"Start a Kubernetes control plane", d.startKubernetes, "it has no nodes, so that Pods stay pending"},
		{"Create a sample application", d.createApplication, "two disks, a directory of a NAS file system, images of Docker Hub, and Services with load balancers, as the cloud controller manager leaves them. All is remembered, to be compared later"},
		{"Start the Velero server with the plugin", d.startVelero, "the server has found the plugin in its plugin folder"},
		{"Tell Velero where backups go", d.createLocations, "Available: Velero could list the bucket through the plugin"},
		{"Back the application up", d.backUp, "STATUS is Completed, without errors. The warnings are of the two snapshotters, each of which is asked for what the other takes"},
		{"Look into the bucket", d.showBucket, "the tarball was uploaded in several parts (UploadPart), and once more when Cloud Backup had the files; each small file with one PutObject"},
		{"Look at the snapshots", d.showSnapshots, "ECS has those of the disks, with tags that tell a restore what the disk was; a vault of Cloud Backup has the one of the files. All expire with the backup"},
		{"Delete the application", d.deleteApplication, "nothing of it is left in the cluster, and its disks are gone"},
		{"Restore it", d.restore, "only what a disk cannot have, and what the cloud controller manager had written, was not restored; the disks are new ones, the directory is a new one beside the original, and all files are as they were backed up. The warnings are of two objects that were there: the definition and kube-root-ca.crt"},
		{"Say what is to change", d.createSettings, "images of Docker Hub are to come from another registry, and disks of alicloud-disk-ssd to become those of alicloud-disk-essd"},
		{"Restore it changed: into the namespace " + newNamespace, d.restoreChanged, "the images are those of the other registry, uploads is on a cloud_essd that one node mounts, media is a third directory, checkout uses its load balancer without touching the listeners, and api gets a new one; all else is as it was"},
	}
}

// show runs the demo. Whatever happens, nothing is left but the logs.
func show(ctx context.Context, o options, c *console) (err error) {
	d := &demo{console: c, options: o}
	if d.dir, err = os.MkdirTemp(o.parent, "velero-plugin-alibabacloud-demo-"); err != nil {
		return fmt.Errorf("making a working folder: %w", err)
	}
	logs := filepath.Join(d.dir, "logs")
	fmt.Fprintf(c.out, "Logs: %s\n", logs)
	defer func() {
		if err = errors.Join(err, d.end()); err != nil {
			err = fmt.Errorf("%w\nLogs: %s", err, logs)
		}
	}()

	for _, s := range d.steps() {
		d.title(s.title)
		if err := s.run(ctx); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("step %d was interrupted: %w", c.steps, ctx.Err())
			}
			return fmt.Errorf("step %d: %w", c.steps, err)
		}
		d.say("Look at: %s", s.lookAt)
	}
	fmt.Fprintf(c.out, "\nBackup: Completed\nRestore: Completed\n")
	if o.keep {
		d.lookAround(ctx)
	}
	return nil
}

// lookAround says how to look around, and waits until the context ends.
func (d *demo) lookAround(ctx context.Context) {
	fmt.Fprintf(d.out, `
Everything keeps running until Ctrl-C. In another terminal:

  export KUBECONFIG=%s
  %s backup describe %s --details

Requests of the plugin: %s/journal
`, d.cp.Kubeconfig, d.tools.Velero, backupName, d.cloud.AdminURL())
	<-ctx.Done()
}

// end ends what was started and removes the working folder but for the logs.
func (d *demo) end() error {
	var errs []error
	if d.cp != nil {
		errs = append(errs, d.cp.Stop())
	}
	if d.cloud != nil {
		errs = append(errs, d.cloud.Close())
	}
	files, err := os.ReadDir(d.dir)
	errs = append(errs, err)
	for _, file := range files {
		if file.Name() != "logs" {
			errs = append(errs, os.RemoveAll(filepath.Join(d.dir, file.Name())))
		}
	}
	return errors.Join(errs...)
}
