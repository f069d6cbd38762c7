function U(a){let t=a instanceof Uint8Array?a:new Uint8Array(a),o=new DataView(t.buffer,t.byteOffset,4).getUint32(0,!0),n=JSON.parse(new TextDecoder().decode(t.subarray(4,4+o))),i=4+o,c=new Map;for(let{name:f,type:l,bytes:e}of n.parts)c.set(f,{type:l,bytes:t.slice(i,i+e)}),i+=e;return{...n,parts:c}}function C(){let a=[];return{of(t){let o=URL.createObjectURL(new Blob([t.bytes],{type:t.type}));return a.push(o),o},free(){a.splice(0).forEach(t=>URL.revokeObjectURL(t))}}}var W=`:host { display: block; }
.viewer {
  --line: var(--st-border-color, #8884);
  --soft: var(--st-secondary-background-color, #f2f2f4);
  --ink: var(--st-text-color, #222);
  --paper: var(--st-background-color, #fff);
  --accent: var(--st-primary-color, #2563eb);
  --radius: var(--st-base-radius, 8px);
  font: 14px/1.4 var(--st-font, system-ui, sans-serif);
  color: var(--ink);
  display: flex; flex-direction: column; gap: 8px;
  min-width: 0;
}
.viewer * { box-sizing: border-box; }
.stage {
  position: relative; overflow: hidden; width: 100%;
  border: 1px solid var(--line); border-radius: var(--radius); background: var(--soft);
}
.stage:focus-visible, button:focus-visible, input:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 1px;
}
.stage canvas, .stage img { display: block; }
.checker {
  background: repeating-conic-gradient(#d4d4d8 0 25%, #fafafa 0 50%) 0 0 / 20px 20px;
}
.paper { background: #fff; }
.night { background: #17181c; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.bar .grow { flex: 1; }
.bar .note { opacity: .75; font-size: 13px; }
button {
  font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--line); border-radius: var(--radius);
  min-width: 34px; min-height: 34px; padding: 4px 9px; cursor: pointer;
}
button:hover { border-color: var(--accent); }
button[aria-pressed="true"] { border-color: var(--accent); color: var(--accent); background: color-mix(in srgb, var(--accent) 12%, var(--paper)); }
.trouble { margin: 0; padding: 10px 12px; border: 1px solid var(--line); border-left: 3px solid #c2410c; border-radius: var(--radius); background: var(--soft); }
.small .bar, .small details, .small .strip { display: none; }
details > summary { cursor: pointer; }
.layers { list-style: none; margin: 8px 0 0; padding: 0; max-height: 240px; overflow: auto; display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 2px 12px; }
.layers label { display: flex; gap: 8px; align-items: center; padding: 3px 2px; min-height: 30px; cursor: pointer; }
.layers i { width: 16px; height: 16px; flex: none; border: 1px solid var(--line); border-radius: 3px; }
.layers span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.strip { display: flex; gap: 3px; overflow-x: auto; }
.strip button { padding: 0; border: 2px solid transparent; border-radius: 4px; flex: 1 0 56px; background: none; line-height: 0; overflow: hidden; }
.strip button.now { border-color: var(--accent); }
.strip canvas { width: 100%; height: auto; display: block; }
video { width: 100%; max-height: 540px; display: block; background: #000; border-radius: var(--radius); }
.small video { max-height: 220px; }
audio { width: 100%; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 8px; }
.pair figure { margin: 0; min-width: 0; }
.pair figcaption { font-size: 13px; opacity: .8; margin-bottom: 3px; }
.pair canvas { width: 100%; height: auto; display: block; touch-action: manipulation; border-radius: var(--radius); border: 1px solid var(--line); }
@media (max-width: 420px) { .pair { gap: 4px; } }
input[type="range"] { accent-color: var(--accent); width: 100%; min-height: 28px; margin: 0; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
iframe { border: 1px solid var(--line); border-radius: var(--radius); width: 100%; background: var(--paper); }
`;var N=new WeakMap;function R(a,t){return({data:o,parentElement:n})=>{let i=U(o),c=N.get(n);if(c?.stamp===i.stamp)return c.view?.retheme?.(),c.end;c?.end();let f=Object.assign(document.createElement("style"),{textContent:W}),l=u("div",{className:"viewer"});l.dataset.viewer=a,i.small&&l.classList.add("small"),n.append(f,l);let e={stamp:i.stamp,view:null,gone:!1};e.end=()=>{e.gone=!0,e.view?.end?.(),e.view=null,f.remove(),l.remove(),N.get(n)===e&&N.delete(n)},N.set(n,e);let x=performance.now();return Promise.resolve().then(()=>t(l,i)).then(d=>{if(e.gone)return d?.end?.();e.view=d,l.dataset.loaded=String(Math.round(performance.now()-x))}).catch(d=>K(l,d)),e.end}}function K(a,t){let o=t?.sentence??"This file cannot be drawn; it can still be downloaded.";a.dataset.error=t?.message??String(t),a.replaceChildren(u("p",{className:"trouble",role:"alert",textContent:o}))}function P(a){return Object.assign(new Error(a),{sentence:a})}function u(a,t={},...o){let n=document.createElement(a);for(let[i,c]of Object.entries(t))i in n&&i!=="role"?n[i]=c:n.setAttribute(i,c);return n.append(...o),n}function L(a,t,o){let n=u("button",{type:"button",title:t,textContent:a});return n.setAttribute("aria-label",t),n.addEventListener("click",o),n}var X=40;function j(a,{width:t,height:o,label:n,small:i,most:c=560,least:f=1},l){let e=u("div",{className:"stage",tabIndex:0});e.setAttribute("role","group"),e.setAttribute("aria-label",`${n}. Zoom with plus and minus, move with the arrow keys, 0 fits it.`),e.style.touchAction="pan-y";let x=u("span",{className:"note"});x.setAttribute("aria-live","polite");let d=1,m=1,b=0,w=0,p=!1;function v(){let r=e.clientWidth||300,s=Math.min(r/t,(i?220:c)/o);m=s>=2&&f>=2&&f<100?Math.floor(Math.min(s,f)):Math.min(s,Math.max(1,f)),e.style.height=`${Math.round(Math.max(o*m,i?60:120))+2}px`}function y(){let r=t*m*d,s=o*m*d,g=e.clientWidth,h=e.clientHeight;b=r<=g?(g-r)/2:Math.min(0,Math.max(g-r,b)),w=s<=h?(h-s)/2:Math.min(0,Math.max(h-s,w)),e.style.touchAction=d>1?"none":"pan-y",e.style.cursor=r>g||s>h?"grab":"",x.textContent=`${Math.round(100*m*d)} %`,l(r,s,b,w)}function k(r,s=e.clientWidth/2,g=e.clientHeight/2){let h=Math.min(X/m,Math.max(.25,d*r));b=s-(s-b)*h/d,w=g-(g-w)*h/d,d=h,p=!0,y()}function A(r,s){b+=r,w+=s,y()}function E(){d=1,p=!1,v(),y()}e.addEventListener("wheel",r=>{if(!r.ctrlKey&&!r.metaKey)return;r.preventDefault();let s=e.getBoundingClientRect();k(Math.exp(-r.deltaY/300),r.clientX-s.left,r.clientY-s.top)},{passive:!1}),e.addEventListener("keydown",r=>{let s={"+":()=>k(1.25),"=":()=>k(1.25),"-":()=>k(.8),0:E,ArrowLeft:()=>A(40,0),ArrowRight:()=>A(-40,0),ArrowUp:()=>A(0,40),ArrowDown:()=>A(0,-40)};r.ctrlKey||r.metaKey||r.altKey||!s[r.key]||r.key.startsWith("Arrow")&&d<=1||(r.preventDefault(),s[r.key]())});let M=new Map;e.addEventListener("pointerdown",r=>{M.set(r.pointerId,[r.clientX,r.clientY]),d>1&&e.setPointerCapture(r.pointerId)}),e.addEventListener("pointermove",r=>{let s=M.get(r.pointerId);if(!s)return;let g=[r.clientX,r.clientY];if(M.size===2){let h=[...M].find(([$])=>$!==r.pointerId)[1],O=e.getBoundingClientRect(),S=$=>Math.hypot($[0]-h[0],$[1]-h[1])||1;k(S(g)/S(s),(g[0]+h[0])/2-O.left,(g[1]+h[1])/2-O.top)}else d>1&&A(g[0]-s[0],g[1]-s[1]);M.set(r.pointerId,g)});for(let r of["pointerup","pointercancel"])e.addEventListener(r,s=>M.delete(s.pointerId));e.addEventListener("dblclick",r=>{let s=e.getBoundingClientRect();p?E():k(2.5,r.clientX-s.left,r.clientY-s.top)}),e.addEventListener("dragstart",r=>r.preventDefault());let z=u("div",{className:"bar",role:"toolbar"});z.append(L("\u2212","Zoom out",()=>k(.8)),L("+","Zoom in",()=>k(1.25)),L("Fit","Fit to view",E),x),a.append(e,z);let I=new ResizeObserver(()=>{p||v(),y()});return I.observe(e),E(),{frame:e,bar:z,draw:y,end:()=>I.disconnect()}}function B(a,t=["checker","paper","night"]){let o={checker:"checkerboard",paper:"white",night:"dark"},n=0,i=L("\u25D0","",()=>c(n+1));function c(f){a.classList.remove(t[n]),n=f%t.length,a.classList.add(t[n]);let l=`Background: ${o[t[n]]}. Press for ${o[t[(n+1)%t.length]]}.`;i.title=l,i.setAttribute("aria-label",l)}return c(0),i}async function T(a,t){let o=u("img",{alt:t,draggable:!1});o.src=a;try{await o.decode()}catch{throw P("This picture cannot be decoded.")}return o}var ee=R("picture",async(a,t)=>{let o=C(),n=await T(o.of(t.parts.get("picture")),t.alt);n.style.cssText="position:absolute;left:0;top:0;max-width:none";let{naturalWidth:i,naturalHeight:c}=n,f=Math.max(i,c)<=160?8:1.4,l=j(a,{width:i,height:c,label:t.alt,small:t.small,least:f},(e,x,d,m)=>{n.style.width=`${e}px`,n.style.height=`${x}px`,n.style.transform=`translate(${d}px, ${m}px)`,n.style.imageRendering=e>=2*i?"pixelated":"auto"});return l.frame.append(n),t.transparent&&l.bar.append(B(l.frame)),l.bar.append(u("span",{className:"grow"}),u("span",{className:"note",textContent:t.note??""})),l.draw(),{end:()=>(l.end(),o.free())}});var oe=R("compare",async(a,t)=>{let o=C(),n=t.names,[i,c]=await Promise.all(["left","right"].map((p,v)=>T(o.of(t.parts.get(p)),n[v]))),f=i.naturalWidth/i.naturalHeight,l=u("div",{className:"stage checker"});l.style.cssText=`aspect-ratio:${f};max-height:560px;max-width:min(100%, ${560*f}px);margin:0 auto;touch-action:pan-y;cursor:ew-resize`;let e=u("div");for(let p of[i,c])p.style.cssText="position:absolute;inset:0;width:100%;height:100%;object-fit:contain",i.naturalWidth<=160&&(p.style.imageRendering="pixelated");e.style.cssText="position:absolute;inset:0",e.className="checker",e.append(c);let x=u("div");x.style.cssText="position:absolute;top:0;bottom:0;width:3px;margin-left:-1.5px;background:#fff;box-shadow:0 0 0 1px #0008;pointer-events:none";let d=(p,v)=>{let y=u("span",{textContent:p});return y.style.cssText=`position:absolute;top:8px;${v}:8px;max-width:45%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;padding:2px 8px;border-radius:99px;background:#000a;color:#fff;font-size:12px;pointer-events:none`,y};l.append(i,e,x,d(n[0],"left"),d(n[1],"right"));let m=u("input",{type:"range",min:0,max:100,step:.5,value:50});m.setAttribute("aria-label",`Slide between ${n[0]} and ${n[1]}`);function b(p){e.style.clipPath=`inset(0 0 0 ${p}%)`,x.style.left=`${p}%`,m.value=p}m.addEventListener("input",()=>b(Number(m.value)));let w=p=>{let v=l.getBoundingClientRect();b(Math.min(100,Math.max(0,100*(p.clientX-v.left)/v.width)))};return l.addEventListener("pointerdown",p=>(l.setPointerCapture(p.pointerId),w(p))),l.addEventListener("pointermove",p=>p.buttons&&w(p)),b(50),a.append(l,m),t.note&&a.append(u("span",{className:"note",textContent:t.note})),{end:()=>o.free()}});export{oe as default};
