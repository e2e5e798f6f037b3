//! The gateway's nginx configuration.
//!
//! All paths are relative to the prefix that nginx is started with, so the file can be published
//! with the logs it made. The access-log format holds what a careful operator would log; the marks
//! of the truth are only in the request line.

use std::fmt::Write;

use super::namespaces::Addresses;
use crate::scenario::{Behaviour, Scenario, Upstream};

const LOG_FORMAT: &str = "'$remote_addr - $remote_user [$time_local] \"$request\" $status \
    $body_bytes_sent \"$http_referer\" \"$http_user_agent\" rt=$request_time \
    uct=$upstream_connect_time urt=$upstream_response_time us=$upstream_status ua=$upstream_addr \
    msec=$msec conn=$connection rid=$request_id'";

/// Puts an IPv6 address in brackets.
fn host(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// The text of `conf/nginx.conf`.
pub(super) fn nginx(scenario: &Scenario) -> String {
    let to = Addresses::of(scenario);
    let gateway = host(to.gateway);
    let connect = scenario.proxy_connect_timeout_ms;
    let timeouts = format!("proxy_connect_timeout {connect}ms; proxy_read_timeout 4s;");
    let peers = peers(scenario) + &groups(scenario);
    let again = again(scenario, &timeouts);
    let stall = scenario.stall_ms;
    // A worker that waits for the mutex tries again after this long; a blocked one must still hold
    // it when it wakes, or its I/O is handled first after all.
    let mutex = if scenario.accept_mutex { "accept_mutex on; accept_mutex_delay 5s; " } else { "" };
    format!(
        r#"load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
worker_processes 2;
daemon off;
user root;
pid run/nginx.pid;
error_log error.log error;
events {{ {mutex}worker_connections 4096; }}
http {{
  log_format lab {LOG_FORMAT};
  access_log access.log lab;
  client_body_temp_path run/body; proxy_temp_path run/proxy; fastcgi_temp_path run/fastcgi;
  uwsgi_temp_path run/uwsgi; scgi_temp_path run/scgi;
  lua_package_path "/usr/share/lua/5.1/?.lua;;";
  lua_socket_log_errors on;
  {peers}
  init_by_lua_block {{
    local ffi = require "ffi"
    ffi.cdef "int poll(void *, unsigned long, int);"
    function block_worker(ms) ffi.C.poll(nil, 0, ms) end
  }}
  server {{
    listen 127.0.0.1:80;
    server_name gw.example.com;
    location ~ ^/proxy/(?<up>\d+) {{
      proxy_pass http://$peer:$up; proxy_bind {gateway}:$arg_bind;
      {timeouts}
    }}
{again}    location ~ ^/pool/(?<up>\d+) {{
      proxy_pass http://$peer:$up;
      {timeouts}
    }}
    location ~ ^/(?<kind>lua|quiet|stalled)/(?<up>\d+) {{
      content_by_lua_block {{
        local s = ngx.socket.tcp()
        s:settimeout(tonumber(ngx.var.arg_t) or 500)
        if ngx.var.arg_src then
          local bound, why = s:bind(ngx.var.arg_src)
          if not bound then ngx.log(ngx.ERR, "bind: ", why) end
        end
        local kind, peer, port = ngx.var.kind, ngx.var.peer, tonumber(ngx.var.up)
        local ok, err
        if kind == "stalled" then
          local thread = ngx.thread.spawn(function() return s:connect(peer, port) end)
          block_worker({stall})
          _, ok, err = ngx.thread.wait(thread)
        else
          ok, err = s:connect(peer, port)
        end
        if not ok then ngx.status = 504; ngx.say(err); return ngx.exit(504) end
        if kind ~= "quiet" then s:send("GET / HTTP/1.0\r\nHost: u\r\n\r\n") end
        s:settimeout(2000)
        local text, why = s:receive("*a")
        s:close()
        ngx.say(text or why)
      }}
    }}
  }}
}}
"#
    )
}

/// Which address a port's requests go to.
fn peers(scenario: &Scenario) -> String {
    let to = Addresses::of(scenario);
    let usual = if scenario.dnat.is_some() { to.virtual_upstream } else { to.upstream };
    let mut map = format!("map $up $peer {{ default {};", host(usual));
    for up in &scenario.upstream {
        if up.behaviour == Some(Behaviour::ArpFailure) {
            let _ = write!(map, " {} {};", up.port, host(to.absent));
        }
    }
    map + " }"
}

/// The location of requests that nginx tries again.
fn again(scenario: &Scenario, timeouts: &str) -> String {
    if scenario.routes.again == 0 {
        return String::new();
    }
    let gateway = host(Addresses::of(scenario).gateway);
    format!(
        "    location ~ ^/again/(?<up>\\d+) {{\n      proxy_pass http://again$up; \
         proxy_bind {gateway}:$arg_bind;\n      {timeouts}\n    }}\n"
    )
}

/// Groups of which nginx asks the second server, which is the first, when the first was too late.
fn groups(scenario: &Scenario) -> String {
    let mut groups = String::new();
    if scenario.routes.again > 0 {
        let address = host(Addresses::of(scenario).upstream);
        for Upstream { port, .. } in &scenario.upstream {
            let server = format!("server {address}:{port} max_fails=0;");
            let _ = write!(groups, "\n  upstream again{port} {{ {server} {server} }}");
        }
    }
    groups
}

/// Seconds that the second gateway of a chain waits for a connection; the first waits longer for it.
pub(crate) const SECOND_CONNECT_TIMEOUT: f64 = 1.0;

/// The second gateway of a chain: takes the first one's requests, and passes them on with their marks to
/// the servers on the first one's host.
pub(super) fn second(scenario: &Scenario) -> String {
    let Addresses { gateway, upstream, .. } = Addresses::of(scenario);
    let mut listeners = String::new();
    for Upstream { port, .. } in &scenario.upstream {
        let _ = write!(listeners, "listen {upstream}:{port}; ");
    }
    let timeouts =
        format!("proxy_connect_timeout {SECOND_CONNECT_TIMEOUT}s; proxy_read_timeout 3s;");
    format!(
        "worker_processes 2;\ndaemon off;\nuser root;\npid run/nginx.pid;\n\
         error_log error.log error;\nevents {{ worker_connections 4096; }}\nhttp {{\n\
         \x20 log_format lab {LOG_FORMAT};\n  access_log access.log lab;\n\
         \x20 client_body_temp_path run/body; proxy_temp_path run/proxy;\n\
         \x20 fastcgi_temp_path run/fastcgi; uwsgi_temp_path run/uwsgi; scgi_temp_path run/scgi;\n\
         \x20 server {{\n    {listeners}\n    server_name second.example.com;\n\
         \x20   location ~ ^/proxy/(?<up>\\d+) {{\n      proxy_pass http://{gateway}:$up; \
         proxy_bind {upstream}:$arg_bind;\n      {timeouts}\n    }}\n\
         \x20   location ~ ^/pool/(?<up>\\d+) {{\n      proxy_pass http://{gateway}:$up;\n      \
         {timeouts}\n    }}\n  }}\n}}\n"
    )
}

/// The upstream host's own nginx, for listeners with options that the plain server cannot set.
pub(super) fn deferred(listen: &[String]) -> String {
    let mut listeners = String::new();
    for address in listen {
        let _ = write!(listeners, "listen {address} deferred; ");
    }
    format!(
        "worker_processes 1;\ndaemon off;\nuser root;\npid deferred.pid;\n\
         error_log deferred.log error;\nevents {{ worker_connections 4096; }}\nhttp {{\n\
         \x20 access_log off;\n  client_body_temp_path d-body; proxy_temp_path d-proxy;\n\
         \x20 fastcgi_temp_path d-fastcgi; uwsgi_temp_path d-uwsgi; scgi_temp_path d-scgi;\n\
         \x20 server {{ {listeners}location / {{ return 200 ok; }} }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_addresses_are_bracketed_and_braces_balance() {
        let text = "description = 'x'\nseconds = 1\nrate = 1\nipv6 = true\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'healthy'\n";
        let conf = nginx(&Scenario::parse(text).unwrap());
        assert!(conf.contains("default [fd77:2::2];"), "{conf}");
        assert_eq!(conf.matches('{').count(), conf.matches('}').count());
    }
}
