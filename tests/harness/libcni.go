// A runtime's part of CNI, done by the specification's own library:
// libcni add|check|del NETWORK NETNS, with NETCONFPATH, CNI_PATH, CNI_CACHE, CNI_ARGS and CAP_ARGS (JSON)
// in the environment. Prints the result of an ADD.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

func runtimeConf(netns string) (*libcni.RuntimeConf, error) {
	capabilities := map[string]interface{}{}
	if text := os.Getenv("CAP_ARGS"); text != "" {
		if err := json.Unmarshal([]byte(text), &capabilities); err != nil {
			return nil, err
		}
	}
	var args [][2]string
	for _, pair := range strings.Split(os.Getenv("CNI_ARGS"), ";") {
		if key, value, found := strings.Cut(pair, "="); found {
			args = append(args, [2]string{key, value})
		}
	}
	return &libcni.RuntimeConf{
		ContainerID:    filepath.Base(netns),
		NetNS:          netns,
		IfName:         "eth0",
		Args:           args,
		CapabilityArgs: capabilities,
	}, nil
}

func run(verb, network, netns string) error {
	list, err := libcni.LoadConfList(os.Getenv("NETCONFPATH"), network)
	if err != nil {
		return err
	}
	conf, err := runtimeConf(netns)
	if err != nil {
		return err
	}
	path := filepath.SplitList(os.Getenv("CNI_PATH"))
	cni := libcni.NewCNIConfigWithCacheDir(path, os.Getenv("CNI_CACHE"), nil)
	switch verb {
	case "add":
		result, err := cni.AddNetworkList(context.Background(), list, conf)
		if err != nil {
			return err
		}
		return result.Print()
	case "check":
		return cni.CheckNetworkList(context.Background(), list, conf)
	case "del":
		return cni.DelNetworkList(context.Background(), list, conf)
	}
	return fmt.Errorf("no verb %q", verb)
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: libcni add|check|del NETWORK NETNS")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
