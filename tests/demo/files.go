// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample"
)

// fileSystem is the id of a NAS file system.
const fileSystem = "31a8e4ab12"

// shownDigest is how much of a digest is printed, in characters.
const shownDigest = 12

// files is the directory of the application, and what is in it.
type files struct {
	sample.Directory
	// backedUp is what the backup has, original what is there since.
	backedUp, original contents
}

// contents sums a directory up.
type contents struct {
	files int
	bytes int64
	// digest is of names, permissions and contents.
	digest string
}

// contentsOf sums a directory of the file system up.
func (d *demo) contentsOf(directory string) (contents, error) {
	info, err := d.cloud.NAS().FileSystem(fileSystem)
	if err != nil {
		return contents{}, err
	}
	root := filepath.Join(info.Dir, directory)
	entries, err := tree.List(root)
	if err != nil {
		return contents{}, err
	}
	var found contents
	digest := sha256.New()
	for _, entry := range entries {
		name := filepath.Join(root, entry.Name)
		info, err := os.Lstat(name)
		if err != nil {
			return contents{}, err
		}
		var content []byte
		if info.Mode().IsRegular() {
			if content, err = os.ReadFile(name); err != nil {
				return contents{}, err
			}
			found.files++
			found.bytes += entry.Size
		}
		fmt.Fprintf(digest, "%q %s %q\n", entry.Name, info.Mode(), content)
	}
	found.digest = hex.EncodeToString(digest.Sum(nil))
	return found, nil
}

// row is a row of the table of directories.
func (c contents) row(claim, directory string) []string {
	return []string{claim, fileSystem + ":" + directory, strconv.Itoa(c.files), strconv.FormatInt(c.bytes, 10), c.digest[:shownDigest]}
}

func directoryTitle() []string { return []string{"CLAIM", "DIRECTORY", "FILES", "BYTES", "SHA-256"} }

// nasConfig is the file system with the files of the application.
func nasConfig() nas.Config {
	directory := sample.Media().Path
	content := map[string]string{
		directory + "/index.html":        "<img src=pictures/tea.svg>\n",
		directory + "/pictures/tea.svg":  "<svg/>\n",
		directory + "/pictures/茶.svg":    "<svg><title>茶</title></svg>\n",
		directory + "/films/no film.txt": "",
	}
	for i := range 100 {
		content[fmt.Sprintf("%s/orders/2026/%03d.txt", directory, i)] = strings.Repeat("tea\n", i)
	}
	return nas.Config{FileSystems: []nas.FileSystemConfig{{ID: fileSystem, Account: accountID, Region: region, Files: content}}}
}

// createDirectory makes the volume and the claim of the application's directory.
func (d *demo) createDirectory(ctx context.Context) error {
	d.files.Directory = sample.Media()
	info, err := d.cloud.NAS().FileSystem(fileSystem)
	if err != nil {
		return err
	}
	pv, claim := d.files.Objects(namespace, info.MountTargets[0])
	if err := d.create(ctx, pv, claim); err != nil {
		return err
	}
	if _, err := d.boundVolume(ctx, namespace, d.files.Claim); err != nil {
		return err
	}
	if d.files.backedUp, err = d.contentsOf(d.files.Path); err != nil {
		return err
	}
	d.table([][]string{directoryTitle(), d.files.backedUp.row(d.files.Claim, d.files.Path)})
	return nil
}

// showFileSnapshot prints the snapshot of the directory, and then overwrites a file: what is restored is what was backed
// up. It fails where anything but the snapshot is left in Cloud Backup.
func (d *demo) showFileSnapshot() error {
	snapshots, err := d.cloud.HBR().Snapshots()
	if err != nil {
		return err
	}
	left, err := d.cloud.HBR().Inventory(accountID)
	if err != nil {
		return err
	}
	if len(snapshots) != 1 || len(left.Plans)+len(left.Running) > 0 {
		return fmt.Errorf("there are %d snapshots of one directory, the plans %v and the jobs %v", len(snapshots), left.Plans, left.Running)
	}
	found := snapshots[0]
	const day = 24 * time.Hour
	d.table([][]string{
		{"SNAPSHOT", "DIRECTORY", "VAULT", "RETENTION"},
		{found.ID, fileSystem + ":" + d.files.Path, found.Vault, fmt.Sprintf("%d days", time.Until(found.Expires).Round(day)/day)},
	})
	if err := d.cloud.NAS().WriteFile(fileSystem, d.files.Path+"/index.html", []byte("overwritten\n")); err != nil {
		return err
	}
	d.files.original, err = d.contentsOf(d.files.Path)
	return err
}

// deleteDirectory deletes the volume of the directory, which stays.
func (d *demo) deleteDirectory(ctx context.Context) error {
	pv, _ := d.files.Objects(namespace, "")
	if err := d.deleteVolume(ctx, pv); err != nil {
		return err
	}
	d.say("The directory %s:%s stays, as its reclaim policy Retain says.", fileSystem, d.files.Path)
	return nil
}

// compareFiles checks that a restored claim has a directory of its own with what was backed up, and that the original one
// was not touched.
func (d *demo) compareFiles(pv *corev1.PersistentVolume) error {
	restored, _ := volume.FileSystemOf(pv)
	if restored.ID != fileSystem || restored.Path == d.files.Path {
		return fmt.Errorf("the restored claim %s has the directory %s:%s, and not one of its own", d.files.Claim, restored.ID, restored.Path)
	}
	found, err := d.contentsOf(restored.Path)
	if err != nil {
		return err
	}
	original, err := d.contentsOf(d.files.Path)
	if err != nil {
		return err
	}
	d.table([][]string{
		directoryTitle(),
		found.row(d.files.Claim, restored.Path), original.row("(original)", d.files.Path),
	})
	if found != d.files.backedUp {
		return fmt.Errorf("the files in %s differ from those that were backed up", restored.Path)
	}
	if original != d.files.original {
		return fmt.Errorf("the restore has touched the files in %s", d.files.Path)
	}
	return nil
}
