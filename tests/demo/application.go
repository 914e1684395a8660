// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/sample/digest"
)

const (
	namespace     = "shop"
	copyNamespace = "shop-copy"

	// alteredConfigMap is what --alter alters.
	alteredConfigMap = "settings"
)

// createApplication creates the sample application and remembers what it is.
func (d *demo) createApplication(ctx context.Context) (err error) {
	if err = sample.Create(ctx, d.cp.Client, namespace); err != nil {
		return err
	}
	if err = d.createDisk(ctx); err != nil {
		return err
	}
	if d.before, err = digest.Namespace(ctx, d.cp.Config, namespace); err != nil {
		return err
	}
	kinds := map[string]int{}
	for object := range d.before {
		kind, _, _ := strings.Cut(object, "/")
		kinds[kind]++
	}
	var rows [][]string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		rows = append(rows, []string{strconv.Itoa(kinds[kind]), kind})
	}
	d.say("%d objects in the namespace %s:", len(d.before), namespace)
	d.table(rows)
	return nil
}

// deleteApplication deletes the application's namespace and waits until it is gone.
func (d *demo) deleteApplication(ctx context.Context) error {
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := d.cp.Client.Delete(ctx, object); err != nil {
		return fmt.Errorf("deleting the namespace %s: %w", namespace, err)
	}
	err := poll.Until(ctx, waitTimeout, "the namespace "+namespace+" to be gone", func(ctx context.Context) error {
		err := d.cp.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
		if err == nil {
			return errors.New("it is still there")
		}
		return client.IgnoreNotFound(err)
	})
	if err != nil {
		return err
	}
	d.say("The namespace %s is gone.", namespace)
	return d.deleteDisk(ctx)
}

// alterObject alters one object, so that the comparison has something to find.
func (d *demo) alterObject(ctx context.Context) error {
	settings := &corev1.ConfigMap{}
	if err := d.cp.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: alteredConfigMap}, settings); err != nil {
		return err
	}
	settings.Data["altered"] = "yes"
	if err := d.cp.Client.Update(ctx, settings); err != nil {
		return err
	}
	d.say("Altered the ConfigMap %s, as asked for.", alteredConfigMap)
	return nil
}

// compare compares the digests of all objects in a namespace with those before the backup.
func (d *demo) compare(ctx context.Context, restored string) error {
	after, err := digest.Namespace(ctx, d.cp.Config, restored)
	if err != nil {
		return err
	}
	differences := digest.Compare(d.before, after)
	counts := map[digest.Change]int{}
	var names []string
	for _, difference := range differences {
		counts[difference.Change]++
		names = append(names, difference.String())
	}
	same := len(d.before) - counts[digest.Missing] - counts[digest.Altered]
	d.table([][]string{
		{"BEFORE", "AFTER", "SAME", "ALTERED", "MISSING", "ADDED"},
		counted(len(d.before), len(after), same, counts[digest.Altered], counts[digest.Missing], counts[digest.Added]),
	})
	if len(differences) > 0 {
		return fmt.Errorf("what was restored into the namespace %s differs:\n%s", restored, strings.Join(names, "\n"))
	}
	return d.compareDisk(ctx, restored)
}

// counted is a row of numbers.
func counted(numbers ...int) []string {
	row := make([]string, 0, len(numbers))
	for _, number := range numbers {
		row = append(row, strconv.Itoa(number))
	}
	return row
}
